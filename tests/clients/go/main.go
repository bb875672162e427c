// Command client knows nothing but the contracts: it logs in, follows an account's order stream, places an order and
// sees it there; then it places one that breaks the contract and reads the error's details.
//
//	client HOST:PORT USERNAME PASSWORD ACCOUNT INSTRUMENT [AUTHORITY]
//
// With the file of an authority it calls by TLS. // It prints one JSON line.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	identity "ordermesh.dev/client/ordermesh/identity/v1"
	order "ordermesh.dev/client/ordermesh/order/v1"
	kind "ordermesh.dev/client/ordermesh/type/v1"
)

const patience = 20 * time.Second

type outcome struct {
	OrderID string `json:"order_id"`
	Status  string `json:"status"`
	Error   string `json:"error"`
}

func main() {
	if len(os.Args) != 6 && len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "client HOST:PORT USERNAME PASSWORD ACCOUNT INSTRUMENT [AUTHORITY]")
		os.Exit(2)
	}
	security, err := transport(os.Args[6:])
	var told *outcome
	if err == nil {
		told, err = run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], security)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(told)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func transport(authority []string) (credentials.TransportCredentials, error) {
	if len(authority) == 0 {
		return insecure.NewCredentials(), nil
	}
	return credentials.NewClientTLSFromFile(authority[0], "")
}

func run(address, username, password, account, instrument string, security credentials.TransportCredentials) (*outcome, error) {
	channel, err := grpc.NewClient(address, grpc.WithTransportCredentials(security))
	if err != nil {
		return nil, err
	}
	defer channel.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	login, err := identity.NewIdentityServiceClient(channel).Login(ctx, &identity.LoginRequest{
		Username: username, Password: password, Environment: kind.Environment_ENVIRONMENT_SIMULATION,
	})
	if err != nil {
		return nil, err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+login.GetTokens().GetAccessToken())
	return trade(ctx, order.NewOrderServiceClient(channel), account, instrument)
}

func trade(ctx context.Context, orders order.OrderServiceClient, account, instrument string) (*outcome, error) {
	stream, err := orders.StreamOrders(ctx, &order.StreamOrdersRequest{AccountId: account})
	if err != nil {
		return nil, err
	}
	for response := (*order.StreamOrdersResponse)(nil); response.GetSnapshotEnd() == nil; {
		if response, err = stream.Recv(); err != nil {
			return nil, err
		}
	}
	placed, err := orders.PlaceOrder(ctx, limitOrder(account, instrument))
	if err != nil {
		return nil, err
	}
	id := placed.GetOrder().GetOrderId()
	reached, err := follow(stream, id)
	if err != nil {
		return nil, err
	}
	wrong := limitOrder(account, instrument)
	wrong.Quantity = "ten"
	_, refused := orders.PlaceOrder(ctx, wrong)
	return &outcome{OrderID: id, Status: reached, Error: told(refused)}, nil
}

func limitOrder(account, instrument string) *order.PlaceOrderRequest {
	return &order.PlaceOrderRequest{
		ClientOrderId: "go-" + rand.Text(),
		AccountId:     account,
		Instrument:    instrument,
		Side:          kind.Side_SIDE_BUY,
		Type:          kind.OrderType_ORDER_TYPE_LIMIT,
		TimeInForce:   kind.TimeInForce_TIME_IN_FORCE_GTC,
		Quantity:      "10",
		LimitPrice:    "100",
	}
}

// follow reads until the order is on the venue's book, and returns its status' name.
func follow(stream grpc.ServerStreamingClient[order.StreamOrdersResponse], id string) (string, error) {
	for {
		response, err := stream.Recv()
		if err != nil {
			return "", err
		}
		for _, report := range response.GetUpdate().GetReports() {
			if report.GetOrderId() == id && report.GetOrderStatus() == order.OrderStatus_ORDER_STATUS_NEW {
				return report.GetOrderStatus().String(), nil
			}
		}
	}
}

// told returns "REASON field" of an error's details.
func told(err error) string {
	reason, field := "", ""
	for _, detail := range status.Convert(err).Details() {
		switch each := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = each.GetReason()
		case *errdetails.BadRequest:
			field = each.GetFieldViolations()[0].GetField()
		}
	}
	return reason + " " + field
}
