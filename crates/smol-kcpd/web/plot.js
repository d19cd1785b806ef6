// Lines over time as SVG. Knows nothing of the page around it: the LuCI application has this file too.
// Plots look as their classes `plot`, `grid`, `line0` and `line1` say.
'use strict';

/** A plot of some lines over the last `span` seconds. `element` is what belongs into the page. */
function Plot(lines, span) {
  const NS = 'http://www.w3.org/2000/svg';
  const make = (name, attributes, parent) => {
    const element = document.createElementNS(NS, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(element);
    return element;
  };
  const WIDTH = 300, HEIGHT = 100;
  const svg = make('svg', { class: 'plot', role: 'img', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' });
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const y = 1 + part * (HEIGHT - 2);
    make('line', { class: 'grid', x1: 0, x2: WIDTH, y1: y, y2: y }, svg);
  }
  const paths = [];
  for (let i = 0; i < lines; i++) paths.push(make('path', { class: `line line${i}` }, svg));

  /** The least of 1, 2 and 5 times a power of ten that is not below `value`. */
  const ceiling = (value) => {
    const power = Math.pow(10, Math.floor(Math.log10(value)));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
  };

  this.element = svg;

  /**
   * Draws `samples`: `{ at: seconds, values: [one for each line, null where there is none] }`, in order of time. `least` is
   * what the top shows at least. Returns what it shows.
   */
  this.draw = (samples, least, label) => {
    const now = samples.length ? samples[samples.length - 1].at : 0;
    let top = least;
    for (const sample of samples) {
      for (const value of sample.values) if (value !== null && value > top) top = value;
    }
    top = ceiling(top);
    paths.forEach((path, line) => {
      let shape = '', before = null;
      for (const sample of samples) {
        const value = sample.values[line];
        if (value === null || value === undefined) {
          before = null;
          continue;
        }
        const x = WIDTH * (1 - (now - sample.at) / span);
        const y = 1 + (HEIGHT - 2) * (1 - value / top);
        // Nothing is drawn across a time of which nothing is known.
        const joined = before !== null && sample.at - before < span / 30;
        shape += `${joined ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
        before = sample.at;
      }
      path.setAttribute('d', shape);
    });
    svg.setAttribute('aria-label', label);
    return top;
  };
}
