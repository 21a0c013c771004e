// Reads a log as any client in Go does: with the note and tlog packages of golang.org/x/mod/sumdb, which the
// Go distribution carries (tlog.test.ts copies them beside this file). Prints what it verified as JSON.
//
//	main BASE OLDSIZE OLDROOT VKEY...
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"tlogclient/note"
	"tlogclient/tlog"
)

const height = 8

type reader struct {
	base string
	full int
}

func (r *reader) get(path string) ([]byte, error) {
	answer, err := http.Get(r.base + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != 200 {
		err = fmt.Errorf("%s: %s: %s", path, answer.Status, body)
	}
	return body, err
}

func (r *reader) Height() int { return height }

func (r *reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		// The path of the checksum database has the height, that of tlog-tiles has not.
		data, err := r.get(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		if tile.W == 1<<height {
			r.full++
		}
		all = append(all, data)
	}
	return all, nil
}

func (r *reader) SaveTiles([]tlog.Tile, [][]byte) {}

// entries reads every entry of the bundles.
func (r *reader) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := size - n*256
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: height, L: 0, N: n, W: int(width)}
		data, err := r.get(strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1))
		if err != nil {
			return nil, err
		}
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	return all, nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func hashOf(text string) tlog.Hash {
	bytes, err := base64.StdEncoding.DecodeString(text)
	check(err)
	var hash tlog.Hash
	if copy(hash[:], bytes) != len(hash) {
		log.Fatal("no hash: ", text)
	}
	return hash
}

func main() {
	r := &reader{base: os.Args[1]}
	oldSize, err := strconv.ParseInt(os.Args[2], 10, 64)
	check(err)
	var verifiers []note.Verifier
	for _, vkey := range os.Args[4:] {
		verifier, err := note.NewVerifier(vkey)
		check(err)
		verifiers = append(verifiers, verifier)
	}
	message, err := r.get("checkpoint")
	check(err)
	opened, err := note.Open(message, note.VerifierList(verifiers...))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	tree := tlog.Tree{N: size, Hash: hashOf(lines[2])}
	hashes := tlog.TileHashReader(tree, r)
	entries, err := r.entries(size)
	check(err)
	for i, entry := range entries {
		proof, err := tlog.ProveRecord(size, int64(i), hashes)
		check(err)
		check(tlog.CheckRecord(proof, size, tree.Hash, int64(i), tlog.RecordHash(entry)))
	}
	if oldSize > 0 {
		proof, err := tlog.ProveTree(size, oldSize, hashes)
		check(err)
		check(tlog.CheckTree(proof, size, tree.Hash, oldSize, hashOf(os.Args[3])))
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"origin":     lines[0],
		"size":       size,
		"root":       lines[2],
		"verified":   len(opened.Sigs),
		"unverified": len(opened.UnverifiedSigs),
		"entries":    len(entries),
		"fullTiles":  r.full,
	}))
}
