package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"

	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/inventory"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/recordjson"
	"cckm_sync_exporter/collector/schedule"
)

const (
	// maxRecords bounds the records of a path.
	maxRecords = 20_000
	// maxStrings bounds the strings in the arrays of a page's records.
	maxStrings = 200_000
	// maxAttempts is how often a path is read if it changes meanwhile.
	maxAttempts = 3
	// documentedLimit is the API's default limit, which no appliance rejects.
	documentedLimit = 10
)

const hintInconsistent = "wait: the next read may succeed; if it stays, report it with the appliance's version"

// errChanged means that a path returned pages that do not belong together.
var errChanged = errors.New("the records changed while they were paged")

// read reads a source once.
func (r *Reader) read(ctx context.Context, s *source) (result, error) {
	ctx, cancel := context.WithTimeout(ciphertrust.WithoutSlot(ctx), readTimeout)
	defer cancel()
	result, err := r.readUnchecked(ctx, s)
	if err != nil {
		return result, r.explain(s, err)
	}
	return result, nil
}

// readUnchecked reads a source. A bug that panics fails this read only.
func (r *Reader) readUnchecked(ctx context.Context, s *source) (read result, err error) {
	defer func() {
		if p := recover(); p != nil {
			level.Error(r.logger).Log("during", "read", "source", s.name, "panic", p, "stack", string(debug.Stack()))
			err = reason.New(reason.Other, fmt.Errorf("internal error: %v", p), "report it with the stack trace in the log")
		}
	}()
	if s.cloud == "" {
		return r.readSchedules(ctx)
	}
	return r.readInventory(ctx, s)
}

func (r *Reader) readSchedules(ctx context.Context) (read result, err error) {
	query := url.Values{"operation": {schedule.Operation}}
	for attempt := 1; ; attempt++ {
		b := schedule.NewBuilder(r.clean)
		// -1 requests all records.
		read.records, err = readPath(ctx, r.getter, schedule.Path, query, []int{-1, 100, documentedLimit}, b.Add)
		if err == nil {
			read.schedules = b.Schedules()
			return read, nil
		}
		if !errors.Is(err, errChanged) || attempt == maxAttempts {
			return read, fmt.Errorf("%s: %w", schedule.Path, err)
		}
	}
}

func (r *Reader) readInventory(ctx context.Context, s *source) (read result, err error) {
	for attempt := 1; ; attempt++ {
		read, err = r.tryInventory(ctx, s)
		if err == nil || !errors.Is(err, errChanged) || attempt == maxAttempts {
			return read, err
		}
	}
}

func (r *Reader) tryInventory(ctx context.Context, s *source) (read result, err error) {
	limits := []int{r.options.PageSize}
	for limit := r.options.PageSize / 10; limit > documentedLimit; limit /= 10 {
		limits = append(limits, limit)
	}
	limits = append(limits, min(documentedLimit, r.options.PageSize))
	b := inventory.NewBuilder(r.clean)
	for _, path := range s.paths {
		add := func(record *inventory.Record) (bool, error) { return b.Add(path, record) }
		records, err := readPath(ctx, r.getter, path, nil, limits, add)
		if err != nil {
			return read, fmt.Errorf("%s: %w", path, err)
		}
		read.records += records
	}
	read.inventory = b.Inventory()
	return read, nil
}

// record is a pointer to a record of a path.
type record[R any] interface {
	*R
	// Strings returns how many strings the record's arrays have.
	Strings() int
}

// readPath reads all records of a path, and calls add with each, which reports whether it is new. It tries
// the next limit if the appliance rejects one.
func readPath[R any, P record[R]](ctx context.Context, getter Getter, path string, query url.Values, limits []int, add func(P) (bool, error)) (records int, err error) {
	first := -1
	for {
		values := url.Values{"skip": {strconv.Itoa(records)}, "limit": {strconv.Itoa(limits[0])}}
		maps.Copy(values, query)
		page, total, err := readPage[R, P](ctx, getter, path, values)
		switch {
		case err != nil && records == 0 && len(limits) > 1 && rejectsLimit(err):
			limits = limits[1:]
			continue
		case err != nil:
			return 0, err
		case first < 0:
			first = total
		}
		added, err := addAll(page, add)
		if err != nil {
			return 0, err
		}
		records += len(page)
		switch {
		case total != first, records > total, records < total && !added:
			return 0, reason.New(reason.Inconsistent, errChanged, hintInconsistent)
		case records == total:
			return records, nil
		}
	}
}

// addAll calls add with each record of a page, and reports whether any was new.
func addAll[R any, P record[R]](page []R, add func(P) (bool, error)) (added bool, err error) {
	for i := range page {
		isNew, err := add(&page[i])
		if err != nil {
			return false, reason.New(reason.Decode, err, "report it with the appliance's version")
		}
		added = added || isNew
	}
	return added, nil
}

// readPage requests a page.
func readPage[R any, P record[R]](ctx context.Context, getter Getter, path string, query url.Values) (page []R, total int, err error) {
	err = getter.Get(ctx, path, query, func(body io.Reader) error {
		// A page that is requested again has a new body.
		page = nil
		strings := 0
		total, err = recordjson.Decode(body, func(one *R) error {
			if strings += P(one).Strings(); strings > maxStrings || len(page) == maxRecords {
				return fmt.Errorf("a page has more than %d records, or more than %d names in them", maxRecords, maxStrings)
			}
			page = append(page, *one)
			return nil
		})
		return err
	})
	if err == nil && total > maxRecords {
		err = reason.New(reason.Decode, fmt.Errorf("there are %d records, more than the maximum of %d", total, maxRecords), "")
	}
	return page, total, err
}

// rejectsLimit reports whether an error may be about the limit of the request.
func rejectsLimit(err error) bool {
	if _, ok := errors.AsType[*ciphertrust.LoginError](err); ok {
		return false
	}
	failure, ok := errors.AsType[*ciphertrust.APIError](err)
	return ok && (failure.Status == http.StatusBadRequest || failure.Status == http.StatusUnprocessableEntity)
}

// explain adds the source and a hint to an error.
func (r *Reader) explain(s *source, err error) error {
	hint, flag := reason.HintOf(err), "--no-collector.schedules"
	if s.cloud != "" {
		flag = "--no-collector.inventory"
	}
	switch {
	case reason.Of(err) == reason.Forbidden && hint == "":
		hint = s.accessHint + ", or turn this off (" + flag + ")"
	case reason.Of(err) == reason.NotFound:
		hint = "an older appliance does not have this path: turn this off (" + flag + ")"
	}
	if r.options.Hint != nil {
		hint = r.options.Hint(hint)
	}
	return reason.New(reason.Of(err), fmt.Errorf("%s: %w", s.name, err), hint)
}
