package ciphertrust_test

import (
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
			t.Cleanup(func() {
				// A writer releases the reader that is still blocked.
				file, err := os.OpenFile(path, os.O_WRONLY, 0)
				if err == nil {
					err = file.Close()
				}
				if err != nil {
					t.Error(err)
				}
			})
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
