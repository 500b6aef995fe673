package ciphertrust

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// maxClockDifference is by how much the two clocks may differ before ages use the appliance's.
	maxClockDifference = 5 * time.Second
	// maxClockAhead bounds the offset that is believed, as the year 2000 does on the other side.
	maxClockAhead = 10 * 365 * 24 * time.Hour
)

// clockOffset is by how much the appliance's clock is ahead of this host's. It is nil before the
// first response.
type clockOffset struct{ atomic.Pointer[time.Duration] }

// observe updates the offset from the Date of a response to a request that was sent at a time and
// took a duration. The appliance read its clock at an unknown time in between, and Date has whole
// seconds, so the offset is between least and most. The first offset is 0 if that is possible, so
// that a slow response does not set clocks apart that may agree, else the middle. A later response
// corrects the offset only as far as necessary, so that ages do not jump.
func (o *clockOffset) observe(resp *http.Response, sent time.Time, took time.Duration) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil || date.Year() < 2000 || date.Sub(sent) > maxClockAhead {
		return
	}
	// The Date of a cached response is old, and that of a gateway's own error is the gateway's.
	if resp.Header.Get("Age") != "" || resp.StatusCode >= http.StatusBadGateway {
		return
	}
	least, most := date.Sub(sent.Add(took)), date.Add(time.Second).Sub(sent)
	var offset time.Duration
	if before := o.Load(); before != nil {
		offset = min(max(*before, least), most)
	} else if least > 0 || most < 0 {
		offset = (least + most) / 2
	}
	o.Store(&offset)
}

// ClockOffset returns by how much the appliance's clock is ahead of this host's, according to the
// header Date of the last response. It returns false before the first response.
func (c *Client) ClockOffset() (time.Duration, bool) {
	if offset := c.clock.Load(); offset != nil {
		return *offset, true
	}
	return 0, false
}

// ClockCorrection returns what to add to this host's time to compute the age of a time that the
// appliance has written: the offset if it is more than 5 s, else 0.
func (c *Client) ClockCorrection() time.Duration {
	if offset, _ := c.ClockOffset(); offset.Abs() > maxClockDifference {
		return offset
	}
	return 0
}
