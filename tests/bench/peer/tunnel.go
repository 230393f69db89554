package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rancher/remotedialer"
)

// server ends TLS for people and for the agent on one port, as the gateway does. Each request is
// authorised by a header lookup, which is all that this peer has of identity.
func server(args []string) error {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	cert, key := flags.String("cert", "", ""), flags.String("key", "", "")
	upstream := flags.String("upstream", "", "host:port that the far end dials")
	flags.Parse(args)

	tunnel := remotedialer.New(func(req *http.Request) (string, bool, error) {
		return "agent", true, nil
	}, remotedialer.DefaultErrorWriter)
	dial := tunnel.Dialer("agent")
	target := &url.URL{Scheme: "http", Host: *upstream}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, network, address)
		},
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
	mux := http.NewServeMux()
	mux.Handle("/tunnel/v1", tunnel)
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, req)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	s := &http.Server{Handler: mux, TLSConfig: &tls.Config{NextProtos: []string{"http/1.1"}},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	return s.ServeTLS(listener, *cert, *key)
}

func client(args []string) error {
	flags := flag.NewFlagSet("client", flag.ExitOnError)
	address := flags.String("server", "", "wss://…/tunnel/v1")
	flags.Parse(args)
	dialer := &websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	for {
		remotedialer.ClientConnect(context.Background(), *address, http.Header{}, dialer,
			func(proto, address string) bool { return true }, nil)
		time.Sleep(200 * time.Millisecond)
	}
}
