// Command interop holds what Contrada makes of a log against programs that are not Contrada's: golang.org/x/mod
// (the checksum database of Go), github.com/transparency-dev/merkle and github.com/transparency-dev/formats.
//
//	interop DIR
//
// DIR holds a log as files, a policy, a proof file and claims.json (see exhibit.py). Everything is computed again
// from the entries alone and compared; then DIR/theirs is written, a log's head and a proof made by these libraries,
// for Contrada to verify. Prints one JSON object: how often each thing was checked, and what did not fit.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Inclusion is the claim that Path proves leaf Index in the tree of Size.
type Inclusion struct {
	Index, Size int64
	Path        []string
}

// Growth is the claim that Path proves that the tree of New begins with that of Old.
type Growth struct {
	Old, New int64
	Path     []string
}

// Claims is what Contrada says of its log.
type Claims struct {
	Origin      string
	Size        int64
	Roots       map[string]string
	Inclusion   []Inclusion
	Consistency []Growth
	LogKeys     []string
	WitnessKeys []string
	Times       map[string]int64
	ProofIndex  int64
}

// Report is what was found.
type Report struct {
	Checked map[string]int `json:"checked"`
	Wrong   []string       `json:"wrong"`
}

func (r *Report) expect(what string, holds bool, detail ...any) {
	r.Checked[what]++
	if !holds {
		r.Wrong = append(r.Wrong, what+": "+fmt.Sprint(detail...))
	}
}

func main() {
	dir := os.Args[1]
	var claims Claims
	must(json.Unmarshal(read(dir, "claims.json"), &claims))
	report := &Report{Checked: map[string]int{}, Wrong: []string{}}
	entries := entriesOf(filepath.Join(dir, "log"), claims.Size)
	trees(report, filepath.Join(dir, "log"), claims, entries)
	notes(report, dir, claims, entries)
	theirs(dir, entries)
	must(json.NewEncoder(os.Stdout).Encode(report))
}

func read(parts ...string) []byte {
	data, err := os.ReadFile(filepath.Join(parts...))
	must(err)
	return data
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hexes(texts []string) [][]byte {
	found := make([][]byte, 0, len(texts))
	for _, text := range texts {
		data, err := hex.DecodeString(text)
		must(err)
		found = append(found, data)
	}
	return found
}
