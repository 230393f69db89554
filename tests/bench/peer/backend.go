package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// backend answers what the agent asks of its API server from a file of objects, and under
// /api/v1/bench/ what the driver asks: small, bytes?n=, watch?ms=.
func backend(args []string) error {
	flags := flag.NewFlagSet("backend", flag.ExitOnError)
	objects := flags.String("objects", "", "JSON: path -> object")
	flags.Parse(args)
	answers := map[string]json.RawMessage{}
	if *objects != "" {
		data, err := os.ReadFile(*objects)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &answers); err != nil {
			return err
		}
	}
	small := make([]byte, 1024)
	for i := range small {
		small[i] = 'x'
	}
	piece := make([]byte, 256*1024)
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/bench/small", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(small)
	})
	mux.HandleFunc("/api/v1/bench/bytes", func(w http.ResponseWriter, req *http.Request) {
		left, _ := strconv.Atoi(req.URL.Query().Get("n"))
		w.Header().Set("Content-Length", strconv.Itoa(left))
		for left > 0 {
			count := min(left, len(piece))
			if _, err := w.Write(piece[:count]); err != nil {
				return
			}
			left -= count
		}
	})
	mux.HandleFunc("/api/v1/bench/watch", func(w http.ResponseWriter, req *http.Request) {
		ms, _ := strconv.Atoi(req.URL.Query().Get("ms"))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		// Spread, so that a thousand watches do not speak at one instant.
		time.Sleep(time.Duration(time.Now().UnixNano()%int64(ms)) * time.Millisecond)
		for tick := time.NewTicker(time.Duration(ms) * time.Millisecond); ; {
			select {
			case <-req.Context().Done():
				return
			case <-tick.C:
				fmt.Fprintf(w, "{\"at\":%d}\n", time.Now().UnixNano())
				w.(http.Flusher).Flush()
			}
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(req.URL.Path, "/token") {
			w.WriteHeader(http.StatusCreated)
			ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
			fmt.Fprintf(w, `{"status":{"token":"impersonator","expirationTimestamp":%q}}`, ends)
			return
		}
		answer, known := answers[req.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			answer = json.RawMessage(`{"kind":"Status","code":404,"reason":"NotFound"}`)
		}
		w.Write(answer)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return http.Serve(listener, mux)
}
