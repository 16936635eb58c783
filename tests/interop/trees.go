package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// pathOf is the name that tlog-tiles gives to a tile: without the height, which is always 8 there.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), "tile/8/")
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// entriesOf reads the entries of a log from their files.
func entriesOf(log string, size int64) [][]byte {
	var entries [][]byte
	for int64(len(entries)) < size {
		index := int64(len(entries)) / 256
		width := min(256, size-index*256)
		rest := read(log, pathOf(tlog.Tile{H: height, L: -1, N: index, W: int(width)}))
		for range width {
			length := int(binary.BigEndian.Uint16(rest))
			entries = append(entries, rest[2:2+length])
			rest = rest[2+length:]
		}
		if len(rest) != 0 {
			must(fmt.Errorf("bytes behind the entries of tile %d", index))
		}
	}
	return entries
}

// files is Contrada's log as golang.org/x/mod reads one.
type files struct{ log string }

func (f files) Height() int                         { return height }
func (f files) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (f files) ReadTiles(ts []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range ts {
		found = append(found, read(f.log, pathOf(tile)))
	}
	return found, nil
}

func trees(report *Report, log string, claims Claims, entries [][]byte) {
	var stored []tlog.Hash
	known := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			found = append(found, stored[index])
		}
		return found, nil
	})
	hasher := rfc6962.DefaultHasher
	reference := testonly.New(hasher)
	factory := &compact.RangeFactory{Hash: hasher.HashChildren}
	run := factory.NewEmptyRange(0)
	for number, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(number), entry, known)
		must(err)
		stored = append(stored, hashes...)
		reference.AppendData(entry)
		must(run.Append(hasher.HashLeaf(entry), nil))
	}
	checkTiles(report, log, claims.Size, known)
	whole, err := run.GetRootHash(nil)
	must(err)
	report.expect("root", hex.EncodeToString(whole) == claims.Roots[strconv.FormatInt(claims.Size, 10)], "compact range")
	for text, root := range claims.Roots {
		size, err := strconv.ParseInt(text, 10, 64)
		must(err)
		report.expect("root", hex.EncodeToString(reference.HashAt(uint64(size))) == root, "merkle, ", size)
		if size > 0 {
			hash, err := tlog.TreeHash(size, known)
			must(err)
			report.expect("root", hex.EncodeToString(hash[:]) == root, "tlog, ", size)
		}
	}
	head := tlog.Tree{N: claims.Size, Hash: tlog.Hash(whole)}
	ours := tlog.TileHashReader(head, files{log})
	for _, claim := range claims.Inclusion {
		checkInclusion(report, claim, reference, known, ours)
	}
	for _, claim := range claims.Consistency {
		checkGrowth(report, claim, reference, known, ours)
	}
}

func checkTiles(report *Report, log string, size int64, known tlog.HashReader) {
	wanted := map[string]bool{}
	for _, tile := range tlog.NewTiles(height, 0, size) {
		data, err := tlog.ReadTileData(tile, known)
		must(err)
		path := pathOf(tile)
		wanted[path] = true
		report.expect("tile", bytes.Equal(data, read(log, path)), path)
	}
	must(filepath.WalkDir(filepath.Join(log, "tile"), func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(log, path)
		if err == nil && !entry.IsDir() && !strings.HasPrefix(name, "tile/entries/") {
			report.expect("name", wanted[name], name, " is no tile of this tree")
			tile, failed := tlog.ParseTilePath("tile/8/" + strings.TrimPrefix(name, "tile/"))
			report.expect("name", failed == nil && pathOf(tile) == name, name)
		}
		return err
	}))
}

func checkInclusion(report *Report, claim Inclusion, reference *testonly.Tree, known, ours tlog.HashReader) {
	index, size, path := uint64(claim.Index), uint64(claim.Size), hexes(claim.Path)
	leaf, root := reference.LeafHash(index), reference.HashAt(size)
	err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf, path, root)
	report.expect("inclusion", err == nil, claim.Index, " of ", claim.Size, ": ", err)
	theirs, err := reference.InclusionProof(index, size)
	report.expect("inclusion", err == nil && same(path, theirs), "merkle, ", claim.Index, " of ", claim.Size)
	for _, reader := range []tlog.HashReader{known, ours} {
		made, err := tlog.ProveRecord(claim.Size, claim.Index, reader)
		report.expect("inclusion", err == nil && same(path, bytesOf(made)), "tlog, ", claim.Index, " of ", claim.Size, err)
		err = tlog.CheckRecord(made, claim.Size, tlog.Hash(root), claim.Index, tlog.Hash(leaf))
		report.expect("inclusion", err == nil, err)
	}
}

func checkGrowth(report *Report, claim Growth, reference *testonly.Tree, known, ours tlog.HashReader) {
	older, newer, path := uint64(claim.Old), uint64(claim.New), hexes(claim.Path)
	roots := [2][]byte{reference.HashAt(older), reference.HashAt(newer)}
	err := proof.VerifyConsistency(rfc6962.DefaultHasher, older, newer, path, roots[0], roots[1])
	report.expect("consistency", err == nil, claim.Old, " to ", claim.New, ": ", err)
	theirs, err := reference.ConsistencyProof(older, newer)
	report.expect("consistency", err == nil && same(path, theirs), "merkle, ", claim.Old, " to ", claim.New)
	for _, reader := range []tlog.HashReader{known, ours} {
		made, err := tlog.ProveTree(claim.New, claim.Old, reader)
		report.expect("consistency", err == nil && same(path, bytesOf(made)), "tlog, ", claim.Old, " to ", claim.New, err)
		err = tlog.CheckTree(made, claim.New, tlog.Hash(roots[1]), claim.Old, tlog.Hash(roots[0]))
		report.expect("consistency", err == nil, err)
	}
}

func bytesOf(hashes []tlog.Hash) [][]byte {
	found := make([][]byte, 0, len(hashes))
	for _, hash := range hashes {
		found = append(found, hash[:])
	}
	return found
}

func same(one, other [][]byte) bool {
	return bytes.Equal(bytes.Join(one, nil), bytes.Join(other, nil)) && len(one) == len(other)
}
