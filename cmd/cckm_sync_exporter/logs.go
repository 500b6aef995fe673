package main

import (
	"io"
	"log/slog"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	sloggokit "github.com/tjhop/slog-gokit"
)

// logs are two loggers with the same output.
type logs struct {
	kit log.Logger
	// slog writes to the same logger, for exporter-toolkit.
	slog *slog.Logger
}

// newLogs returns a logger that writes to w.
func newLogs(w io.Writer, levelName, format string) logs {
	w = log.NewSyncWriter(w)
	var base log.Logger
	if format == "json" {
		base = log.NewJSONLogger(w)
	} else {
		base = log.NewLogfmtLogger(w)
	}
	base = level.NewFilter(base, level.Allow(level.ParseDefault(levelName, level.InfoValue())))

	var slogLevel slog.Level
	// The flag allows only names that slog knows as well.
	_ = slogLevel.UnmarshalText([]byte(levelName))
	return logs{
		kit: log.With(base, "ts", log.DefaultTimestampUTC, "caller", log.DefaultCaller),
		// The bridge adds time and caller itself.
		slog: slog.New(sloggokit.NewGoKitHandler(renameTime(base), slogLevel)),
	}
}

// renameTime gives the time of a line from slog the same key as in all other lines.
func renameTime(next log.Logger) log.Logger {
	return log.LoggerFunc(func(keyvals ...any) error {
		for i := 0; i < len(keyvals); i += 2 {
			if keyvals[i] == slog.TimeKey {
				keyvals[i] = "ts"
			}
		}
		return next.Log(keyvals...)
	})
}
