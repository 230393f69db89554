package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type result struct {
	Requests  int     `json:"requests"`
	Errors    int     `json:"errors"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	MBs       float64 `json:"mb_per_second"`
}

// driver loads a URL and prints a result. Modes: requests (keep-alive GETs on -c connections),
// bulk (-c streams at once), watch (-c watches whose lines carry their own time), slow (-c readers
// of -rate bytes a second; prints once all have begun, then reads on until it is killed).
func driver(args []string) error {
	flags := flag.NewFlagSet("driver", flag.ExitOnError)
	url, mode := flags.String("url", "", ""), flags.String("mode", "requests", "")
	count := flags.Int("c", 32, "connections")
	seconds := flags.Float64("seconds", 5, "")
	rate := flags.Int("rate", 8192, "")
	flags.Parse(args)
	clients := make([]*http.Client, *count)
	for i := range clients {
		clients[i] = &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				InsecureSkipVerify: true,
				NextProtos:         []string{"http/1.1"},
			},
			DisableCompression: true,
			ReadBufferSize:     64 * 1024,
		}}
	}
	run := map[string]func([]*http.Client, string, float64, int) (result, error){
		"requests": requests, "bulk": bulk, "watch": watch, "slow": slow,
	}[*mode]
	found, err := run(clients, *url, *seconds, *rate)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func get(client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer good")
	answer, err := client.Do(req)
	if err == nil && answer.StatusCode != 200 {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		answer.Body.Close()
		return nil, fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(body)))
	}
	return answer, err
}

func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(share*float64(len(sorted)-1))]) / float64(time.Millisecond)
}

func requests(clients []*http.Client, url string, seconds float64, _ int) (result, error) {
	var group sync.WaitGroup
	var lock sync.Mutex
	var took []time.Duration
	failed := 0
	var first error
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	for _, client := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			var mine []time.Duration
			wrong := 0
			for time.Now().Before(end) {
				began := time.Now()
				answer, err := get(client, url)
				if err == nil {
					_, err = io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
				}
				if err != nil {
					wrong++
					lock.Lock()
					first = err
					lock.Unlock()
					continue
				}
				mine = append(mine, time.Since(began))
			}
			lock.Lock()
			took = append(took, mine...)
			failed += wrong
			lock.Unlock()
		}()
	}
	group.Wait()
	if first != nil {
		fmt.Fprintln(os.Stderr, first)
	}
	whole := time.Since(start).Seconds()
	slices.Sort(took)
	return result{Requests: len(took), Errors: failed, PerSecond: float64(len(took)) / whole,
		P50: percentile(took, 0.5), P99: percentile(took, 0.99)}, nil
}

func bulk(clients []*http.Client, url string, _ float64, _ int) (result, error) {
	var group sync.WaitGroup
	var bytes atomic.Int64
	failures := make(chan error, len(clients))
	start := time.Now()
	for _, client := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			answer, err := get(client, url)
			if err != nil {
				failures <- err
				return
			}
			defer answer.Body.Close()
			buffer := make([]byte, 256*1024)
			for {
				n, err := answer.Body.Read(buffer)
				bytes.Add(int64(n))
				if err == io.EOF {
					return
				}
				if err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	group.Wait()
	whole := time.Since(start).Seconds()
	close(failures)
	return result{Requests: len(clients), Errors: len(failures),
		MBs: float64(bytes.Load()) / 1e6 / whole}, <-failures
}

func watch(clients []*http.Client, url string, seconds float64, _ int) (result, error) {
	var lock sync.Mutex
	var late []time.Duration
	var ready sync.WaitGroup
	failed := atomic.Int64{}
	measuring := atomic.Bool{}
	gate := make(chan struct{}, 32)
	for _, client := range clients {
		ready.Add(1)
		gate <- struct{}{}
		go func() {
			answer, err := get(client, url)
			<-gate
			ready.Done()
			if err != nil {
				failed.Add(1)
				fmt.Fprintln(os.Stderr, err)
				return
			}
			lines := bufio.NewReader(answer.Body)
			for {
				line, err := lines.ReadBytes('\n')
				if err != nil {
					failed.Add(1)
					return
				}
				var event struct {
					At int64 `json:"at"`
				}
				if json.Unmarshal(line, &event) == nil && measuring.Load() {
					lock.Lock()
					late = append(late, time.Duration(time.Now().UnixNano()-event.At))
					lock.Unlock()
				}
			}
		}()
	}
	ready.Wait()
	time.Sleep(2 * time.Second)
	fmt.Println("ready")
	measuring.Store(true)
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	lock.Lock()
	defer lock.Unlock()
	slices.Sort(late)
	return result{Requests: len(late), Errors: int(failed.Load()),
		P50: percentile(late, 0.5), P99: percentile(late, 0.99)}, nil
}

func slow(clients []*http.Client, url string, _ float64, rate int) (result, error) {
	for _, client := range clients {
		answer, err := get(client, url)
		if err != nil {
			return result{}, err
		}
		go func() {
			buffer := make([]byte, rate/10)
			for tick := time.NewTicker(100 * time.Millisecond); ; {
				if _, err := io.ReadFull(answer.Body, buffer); err != nil {
					return
				}
				<-tick.C
			}
		}()
	}
	fmt.Println("ready")
	select {}
}
