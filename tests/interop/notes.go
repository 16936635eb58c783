package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	fmtlog "github.com/transparency-dev/formats/log"
	fmtnote "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
	"golang.org/x/mod/sumdb/note"
)

// verifierOf takes each kind of key that a checkpoint of Contrada is signed with: the log's Ed25519 key as the
// library of Go does, all others as cosignatures.
func verifierOf(vkey string) note.Verifier {
	if plain, err := note.NewVerifier(vkey); err == nil {
		return plain
	}
	cosigner, err := fmtnote.NewVerifierForCosignatureV1(vkey)
	must(err)
	return cosigner
}

func verifiersOf(vkeys []string) []note.Verifier {
	var found []note.Verifier
	for _, vkey := range vkeys {
		found = append(found, verifierOf(vkey))
	}
	return found
}

func notes(report *Report, dir string, claims Claims, entries [][]byte) {
	checkpoint := read(dir, "log", "checkpoint")
	first, err := note.NewVerifier(claims.LogKeys[0])
	must(err)
	opened, err := note.Open(checkpoint, note.VerifierList(first))
	report.expect("checkpoint", err == nil && len(opened.Sigs) == 1, "golang.org/x/mod/sumdb/note: ", err)

	all := verifiersOf(append(append([]string{}, claims.LogKeys...), claims.WitnessKeys...))
	head, rest, signed, err := fmtlog.ParseCheckpoint(checkpoint, claims.Origin, all[0], all[1:]...)
	report.expect("checkpoint", err == nil && len(rest) == 0, err)
	if err != nil {
		return
	}
	reference := testonly.New(rfc6962.DefaultHasher)
	reference.AppendData(entries...)
	report.expect("checkpoint", head.Size == uint64(claims.Size) && bytes.Equal(head.Hash, reference.Hash()), "head")
	report.expect("cosignature", len(signed.Sigs) == len(all) && len(signed.UnverifiedSigs) == 0, "not every line verifies")
	for _, line := range signed.Sigs {
		if due, timed := claims.Times[fmt.Sprintf("%08x", line.Hash)]; timed {
			found, err := fmtnote.CoSigV1Timestamp(line)
			report.expect("cosignature", err == nil && found.Unix() == due, "time of ", line.Name)
		}
	}
	for number, verifier := range all {
		altered := bytes.Replace(checkpoint, []byte("\n"+fmt.Sprint(claims.Size)+"\n"), []byte("\n1\n"), 1)
		_, err = note.Open(altered, note.VerifierList(verifier))
		report.expect("altered", err != nil, "key ", number, " verifies another head")
	}

	group, err := witness.ParsePolicy(read(dir, "policy"))
	report.expect("policy", err == nil && group.Satisfied(checkpoint), err)
	alone := checkpoint[:bytes.LastIndex(checkpoint, []byte("— contrada.example/witness"))]
	report.expect("policy", err == nil && !group.Satisfied(alone), "one signature less is enough")
	checkProof(report, read(dir, "proof"), claims, checkpoint, reference)
}

func checkProof(report *Report, data []byte, claims Claims, checkpoint []byte, reference *testonly.Tree) {
	var parsed tlogproof.TLogProof
	err := parsed.Unmarshal(data)
	report.expect("proof file", err == nil && bytes.Equal(parsed.Marshal(), data), err)
	report.expect("proof file", bytes.Equal(parsed.Checkpoint, checkpoint) && parsed.Index == uint64(claims.ProofIndex), "content")
	var path [][]byte
	for _, hash := range parsed.Hashes {
		path = append(path, bytes.Clone(hash[:]))
	}
	leaf, root := reference.LeafHash(parsed.Index), reference.Hash()
	err = proof.VerifyInclusion(rfc6962.DefaultHasher, parsed.Index, uint64(claims.Size), leaf, path, root)
	report.expect("proof file", err == nil, err)
}

// theirs writes a policy, a checkpoint and a proof in which Contrada has no part.
func theirs(dir string, entries [][]byte) {
	origin := "theirs.example/log"
	to := filepath.Join(dir, "theirs")
	must(os.MkdirAll(to, 0o755))
	plain, logKey, err := note.GenerateKey(rand.Reader, origin)
	must(err)
	logSigner, err := note.NewSigner(plain)
	must(err)
	logQuantum, logQuantumKey := quantum(origin)
	classic, classicKey, err := note.GenerateKey(rand.Reader, "theirs.example/witness")
	must(err)
	witnessSigner, err := fmtnote.NewSignerForCosignatureV1(classic)
	must(err)
	witnessKey, err := fmtnote.VKeyToCosignatureV1(classicKey)
	must(err)
	witnessQuantum, witnessQuantumKey := quantum("theirs.example/witness")

	tree := testonly.New(rfc6962.DefaultHasher)
	tree.AppendData(entries...)
	head := fmtlog.Checkpoint{Origin: origin, Size: tree.Size(), Hash: tree.Hash()}
	signed, err := note.Sign(&note.Note{Text: string(head.Marshal())}, logSigner, logQuantum, witnessSigner, witnessQuantum)
	must(err)
	policy := []string{
		"log " + logKey, "log " + logQuantumKey, "witness classic " + witnessKey, "witness quantum " + witnessQuantumKey,
		"group both all classic quantum", "quorum both", "",
	}
	made := tlogproof.TLogProof{Index: tree.Size() / 2, Checkpoint: signed, ExtraData: []byte("said by nobody")}
	path, err := tree.InclusionProof(made.Index, tree.Size())
	must(err)
	for _, hash := range path {
		made.Hashes = append(made.Hashes, [32]byte(hash))
	}
	must(os.WriteFile(filepath.Join(to, "policy"), []byte(strings.Join(policy, "\n")), 0o644))
	must(os.WriteFile(filepath.Join(to, "checkpoint"), signed, 0o644))
	must(os.WriteFile(filepath.Join(to, "proof"), made.Marshal(), 0o644))
}

func quantum(name string) (note.Signer, string) {
	skey, vkey, err := fmtnote.GenerateMLDSAKey(name)
	must(err)
	signer, err := fmtnote.NewMLDSASigner(skey)
	must(err)
	return signer, vkey
}
