"""What happens around every call, one file each.

An interceptor here wraps a method's handler once, when the method is registered, instead of being asked at every call:
gRPC's own interceptors cost a coroutine and a handler object each per call.
"""
