package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/template"
)

//go:embed chart.svg.tmpl
var chartTemplate string

// The plot's place in the drawing, in its own units.
const (
	plotLeft, plotRight = 140.0, 590.0
	plotTop, plotBottom = 80.0, 380.0
)

// point is a figure and its place.
type point struct {
	X, Y  float64
	Label string
}

// line is a kind of read; its colours are of the palette of Okabe and Ito, which
// people with any colour vision tell apart.
type line struct {
	Name, Colour string
	// Above says whether its labels stand above it.
	Above  bool
	Points []point
}

// End returns where the line ends, which is where its name stands.
func (l line) End() point { return l.Points[len(l.Points)-1] }

// drawing is what the template shows.
type drawing struct {
	Left, Right, Top, Bottom float64
	About                    string
	XTicks, YTicks           []point
	Lines                    []line
}

// chart draws the CPU time of a full and of an incremental read against the number
// of jobs, with logarithms on both axes. It needs two sizes at least.
func (r run) chart() ([]byte, error) {
	d := drawing{
		Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom,
		About: fmt.Sprintf("%s, %s, %s, %s cores", r.about["date"], r.about["commit"], r.about["go"], r.about["cores"]),
		Lines: []line{
			{Name: "full read", Colour: "#D55E00", Above: true},
			{Name: "few jobs changed", Colour: "#0072B2"},
		},
	}
	// First the logarithms, whose extent gives the axes.
	x, y := newAxis(plotLeft, plotRight), newAxis(plotBottom, plotTop)
	for i, kind := range []string{"full", "incremental"} {
		for _, of := range r.under("BenchmarkIncrementalRead/") {
			jobs, err := strconv.Atoi(part(of, "jobs"))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", of, err)
			}
			took, known := r.value(of+"/kind="+kind, cpu)
			if !known || took <= 0 || jobs <= 0 {
				return nil, fmt.Errorf("the run has no CPU time of %s/kind=%s", of, kind)
			}
			at := point{X: math.Log10(float64(jobs)), Y: math.Log10(took), Label: quantity(took, cpu)}
			x.include(at.X)
			y.include(at.Y)
			d.Lines[i].Points = append(d.Lines[i].Points, at)
		}
		if len(d.Lines[i].Points) < 2 {
			return nil, fmt.Errorf("the run has %d sizes of a list, and a chart needs 2", len(d.Lines[i].Points))
		}
	}
	for _, line := range d.Lines {
		for i := range line.Points {
			line.Points[i].X, line.Points[i].Y = x.place(line.Points[i].X), y.place(line.Points[i].Y)
		}
	}
	for _, power := range x.powers() {
		d.XTicks = append(d.XTicks, point{X: x.place(power), Label: thousands(strconv.Itoa(int(math.Pow(10, power))))})
	}
	for _, power := range y.powers() {
		d.YTicks = append(d.YTicks, point{Y: y.place(power), Label: quantity(math.Pow(10, power), cpu)})
	}
	return d.render()
}

func (d drawing) render() ([]byte, error) {
	functions := template.FuncMap{
		"at":   func(value float64) string { return strconv.FormatFloat(value, 'f', 1, 64) },
		"add":  func(a, b float64) float64 { return a + b },
		"path": path,
	}
	parsed, err := template.New("chart").Funcs(functions).Parse(chartTemplate)
	if err != nil {
		return nil, err
	}
	var drawn bytes.Buffer
	err = parsed.Execute(&drawn, d)
	return drawn.Bytes(), err
}

// path returns a polyline's points.
func path(points []point) string {
	var text strings.Builder
	for i, p := range points {
		if i > 0 {
			text.WriteByte(' ')
		}
		fmt.Fprintf(&text, "%.1f,%.1f", p.X, p.Y)
	}
	return text.String()
}

// axis places logarithms between two ends, from one whole power of ten to another.
type axis struct {
	from, to    float64
	least, most float64
}

func newAxis(from, to float64) *axis {
	return &axis{from: from, to: to, least: math.Inf(1), most: math.Inf(-1)}
}

// include makes an axis so long that it has room for a value.
func (a *axis) include(value float64) {
	a.least, a.most = min(a.least, math.Floor(value)), max(a.most, math.Ceil(value))
}

func (a *axis) place(value float64) float64 {
	return a.from + (value-a.least)/(a.most-a.least)*(a.to-a.from)
}

// powers returns the whole powers of ten on the axis.
func (a *axis) powers() []float64 {
	var powers []float64
	for power := a.least; power <= a.most; power++ {
		powers = append(powers, power)
	}
	return powers
}
