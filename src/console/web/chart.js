// Stacked bars as SVG. Sizes come from d3-scale and d3-shape; the elements are ours. The table beside it has the same
// numbers and the same links, so to a screen reader the chart is one picture with a name.
import { html, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { scaleBand, scaleLinear, stack } from "./vendor/d3.js";
import { Named, number } from "./parts.js";
import { language, t } from "./words.js";

const TOP = 26, // with the unit above the axis
  BOTTOM = 28,
  LEFT = 52,
  RIGHT = 8;
const HEIGHT = 280,
  HEIGHT_WIDE = 440, // as high as the table beside it
  WIDE = 500;
const BAR_LEAST = 2.5,
  BARS_MAX = 1500,
  LABEL_GAP = 5,
  LABEL_LETTER = 6.2,
  LETTER_MOST = 8,
  SPLIT_LEAST = 3; // px; parts of a bar that are lower have no line between them

function useWidth() {
  const own = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const look = () => setWidth(own.current.clientWidth);
    const observer = new ResizeObserver(look);
    observer.observe(own.current);
    look();
    return () => observer.disconnect();
  }, []);
  return [own, width];
}

function Axis({ y, width }) {
  const short = new Intl.NumberFormat(language(), { notation: "compact", maximumFractionDigits: 2 });
  return y
    .ticks(5)
    .filter(Number.isInteger)
    .map(
      (tick) => html`<g key=${tick}>
    <line class="grid" x1=${LEFT} x2=${width - RIGHT} y1=${y(tick)} y2=${y(tick)} />
    <text x=${LEFT - 6} y=${y(tick)} dy="0.32em" text-anchor="end">${short.format(tick)}</text></g>`,
    );
}

// every: which numbers of bars may lie from one label to the next, ascending; multiples of the last one too.
// Lines between the parts of a bar: neighbours may have colors that look alike.
function Splits({ layers, steps, x, y }) {
  const heightOf = ([low, high]) => y(low) - y(high);
  return steps.flatMap((step, at) => {
    const parts = layers.map((layer) => layer[at]).filter(([low, high]) => high > low);
    return parts
      .slice(1)
      .filter((part, index) => heightOf(part) >= SPLIT_LEAST && heightOf(parts[index]) >= SPLIT_LEAST)
      .map(([low]) => html`<line key=${step.start + " " + low} class="split" x1=${x(step.start)}
        x2=${x(step.start) + x.bandwidth()} y1=${y(low)} y2=${y(low)} />`);
  });
}

function Labels({ steps, x, every, bottom }) {
  const longest = Math.max(...steps.map((step) => step.short.length));
  const least = Math.max(1, Math.ceil((longest * LABEL_LETTER + LABEL_GAP) / x.step()));
  const apart = every.find((count) => count >= least) ?? Math.ceil(least / every.at(-1)) * every.at(-1);
  const right = x.range()[1] + RIGHT,
    half = (longest * LETTER_MOST) / 2;
  return steps
    .filter((_, index) => index % apart === 0)
    .map((step) => {
      const middle = x(step.start) + x.bandwidth() / 2,
        fits = middle + half <= right;
      return html`<text key=${step.start} text-anchor=${fits ? "middle" : "end"} x=${fits ? middle : right}
        y=${bottom}>${step.short}</text>`;
    });
}

// steps: [{start, label, short, values: [one for each series]}]; series: [{name, color}]; every: see Labels
export function Chart({ steps, series, measure, onPick, every = [1] }) {
  const [own, outer] = useWidth();
  if (steps.length > BARS_MAX)
    return html`<div class="chart" ref=${own}><p class="note">${t("too_many_bars", number(BARS_MAX))}</p></div>`;
  const width = Math.max(outer, LEFT + RIGHT + steps.length * BAR_LEAST);
  const height = outer < WIDE ? HEIGHT : HEIGHT_WIDE;
  const x = scaleBand(
    steps.map((step) => step.start),
    [LEFT, width - RIGHT],
  ).padding(0.2);
  const layers = stack()
    .keys(series.map((_, index) => index))
    .value((step, index) => step.values[index])(steps);
  const top = Math.max(1, ...steps.map((step) => step.values.reduce((sum, value) => sum + value, 0)));
  const y = scaleLinear([0, top], [height - BOTTOM, TOP]).nice(5);
  const tip = (at, index) =>
    [steps[at].label, series[index].name, number(steps[at].values[index]) + " " + measure].join(" · ");
  const bar = (layer, index) =>
    layer.map(
      ([low, high], at) =>
        high > low &&
        html`<rect key=${at} class=${series[index].color}
    x=${x(steps[at].start)} width=${x.bandwidth()} y=${y(high)} height=${y(low) - y(high)}
    data-start=${steps[at].start} data-series=${index} data-value=${steps[at].values[index]}
    onClick=${() => onPick(at, index)}><title>${tip(at, index)}</title></rect>`,
    );
  return html`<div class="chart" ref=${own} tabindex="0" role="region" aria-label=${t("chart", measure)}>
    ${
      outer > 0 &&
      html`<svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img"
        aria-label=${t("chart_is", measure)}>
      <text x="0" y="12">${measure}</text>
      <${Axis} y=${y} width=${width} />${layers.map(bar)}<${Splits} layers=${layers} steps=${steps} x=${x} y=${y} /><${Labels} steps=${steps} x=${x} every=${every}
        bottom=${height - 8} />
    </svg>`
    }</div>${width > outer && outer > 0 && html`<p class="note">${t("chart_goes_on")}</p>`}`;
}

export function Legend({ series }) {
  return html`<ul class="legend" aria-label=${t("legend")}>${series.map(
    (one) => html`<li key=${one.id ?? one.name}>
    <svg width="12" height="12" aria-hidden="true"><rect class=${one.color} width="12" height="12" rx="2" />
      </svg><span><${Named} ...${one} /></span></li>`,
  )}</ul>`;
}
