// The peer of the tunnel benchmark, and what both tunnels share: a backend and a driver.
//
//	peer server  -listen :0 -cert F -key F        remotedialer behind Go's ReverseProxy
//	peer client  -server wss://… -cert F          remotedialer's far end
//	peer backend -objects F                       an API server's stand-in
//	peer driver  -url https://… -mode requests    load, printed as one JSON object
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{
		"server": server, "client": client, "backend": backend, "driver": driver,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peer server|client|backend|driver [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
