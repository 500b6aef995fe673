package ciphertrust_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
)

// TestFilesThatBlock has files that block when they are opened, as a FIFO without a writer does. A
// scrape leaves at its deadline, and closing does not wait.
func TestFilesThatBlock(t *testing.T) {
	for name, change := range map[string]func(cfg *ciphertrust.Config, path string){
		"password": func(cfg *ciphertrust.Config, path string) { cfg.Credentials.PasswordFile = path },
		"CA": func(cfg *ciphertrust.Config, path string) {
			cfg.TLS.CA, cfg.TLS.CAFile = "", path
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			h, server := overTLS(t, nil)
			overwrite(t, path, string(server.CAPEM))
			h.connect(server.URL, func(cfg *ciphertrust.Config) {
				cfg.TLS.CA = string(server.CAPEM)
				change(cfg, path)
			}, nil)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { release(t, path) })
			begun := time.Now()
			wantReason(t, h.getWithin(50*time.Millisecond), reason.Timeout)
			if err := h.close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// release releases the reader of a FIFO that is still blocked.
func release(t *testing.T, fifo string) {
	t.Helper()
	file, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

// TestReplacedFIFO checks that a file is read that replaces one whose reading still blocks.
func TestReplacedFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release(t, path+".old") })
	read := ciphertrust.FileReader()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := read(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the FIFO: %v", err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, "content")
	if content, err := read(t.Context(), path); string(content) != "content" {
		t.Errorf("the file: %q, %v", content, err)
	}
}
