// The official grpc-web runtime with messages of protoc's own JavaScript generator. The stubs that
// protoc-gen-grpc-web would write hold nothing but the descriptors below.
import grpcWeb from "grpc-web";
import details from "./js/google/rpc/error_details_pb.js";
import statuses from "./js/google/rpc/status_pb.js";
import authentication from "./js/ordermesh/identity/v1/authentication_pb.js";
import entry from "./js/ordermesh/order/v1/order_entry_pb.js";
import order from "./js/ordermesh/order/v1/order_pb.js";
import query from "./js/ordermesh/order/v1/order_query_pb.js";
import streams from "./js/ordermesh/order/v1/order_stream_pb.js";
import trading from "./js/ordermesh/type/v1/trading_pb.js";
import { Follower } from "./scenario.mjs";

const { MethodDescriptor, MethodType } = grpcWeb;
const method = (path, type, request, response) =>
  new MethodDescriptor(path, type, request, response, (each) => each.serializeBinary(), response.deserializeBinary);

const LOGIN = method("/ordermesh.identity.v1.IdentityService/Login", MethodType.UNARY,
  authentication.LoginRequest, authentication.LoginResponse);
const PLACE = method("/ordermesh.order.v1.OrderService/PlaceOrder", MethodType.UNARY,
  entry.PlaceOrderRequest, entry.PlaceOrderResponse);
const GET = method("/ordermesh.order.v1.OrderService/GetOrder", MethodType.UNARY,
  query.GetOrderRequest, query.GetOrderResponse);
const STREAM = method("/ordermesh.order.v1.OrderService/StreamOrders", MethodType.SERVER_STREAMING,
  streams.StreamOrdersRequest, streams.StreamOrdersResponse);

const headers = (token) => (token ? { authorization: `Bearer ${token}` } : {});
const nameOf = (values, number) => Object.keys(values).find((name) => values[name] === number);

export function grpcWebClient(url, format = "text") {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  // The runtime has streams in its text format alone.
  const streaming = new grpcWeb.GrpcWebClientBase({ format: "text" });
  const call = (descriptor, request, token) =>
    client.unaryCall(url + descriptor.getName(), request, headers(token), descriptor);
  return {
    async login(username, password) {
      const request = new authentication.LoginRequest();
      request.setUsername(username);
      request.setPassword(password);
      request.setEnvironment(trading.Environment.ENVIRONMENT_SIMULATION);
      return (await call(LOGIN, request, "")).getTokens().getAccessToken();
    },
    async place(token, { clientOrderId, account, instrument, quantity, limitPrice }) {
      const request = new entry.PlaceOrderRequest();
      request.setClientOrderId(clientOrderId);
      request.setAccountId(account);
      request.setInstrument(instrument);
      request.setQuantity(quantity);
      request.setLimitPrice(limitPrice);
      request.setSide(trading.Side.SIDE_BUY);
      request.setType(trading.OrderType.ORDER_TYPE_LIMIT);
      request.setTimeInForce(trading.TimeInForce.TIME_IN_FORCE_GTC);
      return (await call(PLACE, request, token)).getOrder().getOrderId();
    },
    async getOrder(token, orderId) {
      const request = new query.GetOrderRequest();
      request.setOrderId(orderId);
      return (await call(GET, request, token)).getOrder().getOrderId();
    },
    follow(token, account) {
      const follower = new Follower();
      const request = new streams.StreamOrdersRequest();
      request.setAccountId(account);
      const stream = streaming.serverStreaming(url + STREAM.getName(), request, headers(token), STREAM);
      stream.on("data", (response) => {
        if (response.hasSnapshotEnd()) follower.snapshotEnded();
        for (const each of response.getUpdate()?.getReportsList() ?? []) {
          follower.report(each.getOrderId(), nameOf(order.OrderStatus, each.getOrderStatus()));
        }
      });
      stream.on("error", follower.failed);
      follower.cancel = () => stream.cancel();
      return follower;
    },
    async refused(attempt) {
      try {
        await attempt();
      } catch (error) {
        return { code: nameOf(grpcWeb.StatusCode, error.code), ...told(error) };
      }
      throw new Error("it was not refused");
    },
  };
}

function told(error) {
  const packed = error.metadata?.["grpc-status-details-bin"] ?? "";
  const result = { reason: undefined, fields: [] };
  for (const each of statuses.Status.deserializeBinary(packed).getDetailsList()) {
    const info = each.unpack(details.ErrorInfo.deserializeBinary, "google.rpc.ErrorInfo");
    const bad = each.unpack(details.BadRequest.deserializeBinary, "google.rpc.BadRequest");
    if (info) result.reason = info.getReason();
    if (bad) result.fields.push(...bad.getFieldViolationsList().map((violation) => violation.getField()));
  }
  return result;
}
