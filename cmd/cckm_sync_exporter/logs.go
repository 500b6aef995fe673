package main

import (
	"io"
	"log/slog"
	"slices"
	"time"

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
	// Only developers need to know which line of code logs.
	withCaller := levelName == "debug"
	now := func() time.Time { return time.Now().UTC() }
	kit := log.With(base, "ts", log.TimestampFormat(now, timeFormat))
	if withCaller {
		kit = log.With(kit, "caller", log.DefaultCaller)
	}
	return logs{kit: kit, slog: slog.New(sloggokit.NewGoKitHandler(likeOthers(base, withCaller), slogLevel))}
}

// timeFormat is the format of times in Prometheus' logs.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// likeOthers gives lines from slog the form of all other lines. The bridge adds a time under a key of
// its own, and the caller.
func likeOthers(next log.Logger, withCaller bool) log.Logger {
	return log.LoggerFunc(func(keyvals ...any) error {
		for i := 0; i+1 < len(keyvals); i += 2 {
			at, isTime := keyvals[i+1].(time.Time)
			switch {
			case keyvals[i] == slog.TimeKey && isTime:
				keyvals[i], keyvals[i+1] = "ts", at.UTC().Format(timeFormat)
			case keyvals[i] == "caller" && !withCaller:
				keyvals = slices.Delete(keyvals, i, i+2)
				i -= 2
			}
		}
		return next.Log(keyvals...)
	})
}
