// Figures over time, drawn by uPlot in the console's own colours.
import uPlot from 'uplot';
import { useEffect, useRef } from 'preact/hooks';
import type { Sample } from './live';

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// light-dark() is resolved by a probe element, since custom properties keep their text.
function resolve(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const c = getComputedStyle(probe).color;
  probe.remove();
  return c || colour(name);
}

type Props = {
  samples: Sample[]; label: string; height?: number; format: (n: number) => string;
  mirrored?: boolean; // the second value below the water line, with a scale of its own
  names: string[]; limits?: number[]; // a limit is drawn once use comes near it
};

// What these custom properties are now.
export const colours = (...names: string[]) => names.map(resolve);
// The next round number: what an axis may end at.
function round(n: number): number {
  const unit = 10 ** Math.floor(Math.log10(n));
  return unit * ([1, 2, 4, 5, 10].find(f => f * unit >= n) || 10);
}
const clock = (s: number) => new Date(s * 1000).toLocaleTimeString('en-GB');
const SPAN = 60; // the time axis shows a minute at least, in seconds

export function Chart({ samples, label, height = 200, format, mirrored, names, limits }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const reading = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  // Each value is drawn as its share of the top of its own scale; below the line as a negative one.
  const tops = names.map((_, i) => {
    const most = samples.reduce((top, s) => Math.max(top, s.values[i]), 0);
    const limit = limits?.[i] ?? 0;
    return limit > 0 && most > limit / 4 ? Math.max(limit, most) : round(Math.max(most, 10));
  });
  const near = names.map((_, i) => (limits?.[i] ?? 0) > 0 && tops[i] >= limits![i]);
  const sign = (i: number) => (mirrored && i === 1 ? -1 : 1);
  const data = (): uPlot.AlignedData => [
    samples.map(s => s.at / 1000), ...names.map((_, i) => samples.map(s => sign(i) * s.values[i] / tops[i])),
  ];
  const read = (at: number | null | undefined) => {
    const s = samples[at ?? samples.length - 1];
    if (!reading.current) return;
    reading.current.textContent = s
      ? `${clock(s.at / 1000)}   ${names.map((n, i) => `${n} ${format(s.values[i])}`).join('   ')}`
      : 'waiting for the first figures';
  };
  const now = useRef({ read, tops, near, limits, format });
  now.current = { read, tops, near, limits, format };

  useEffect(() => {
    const limitLines = (u: uPlot) => {
      const { near: show, limits: at, tops: top } = now.current;
      names.forEach((name, i) => {
        if (!show[i]) return;
        const y = Math.round(u.valToPos(sign(i) * at![i] / top[i], 'y', true));
        const ratio = devicePixelRatio || 1;
        u.ctx.save();
        u.ctx.strokeStyle = resolve('--ink-3');
        u.ctx.fillStyle = resolve('--ink-2');
        u.ctx.setLineDash([4 * ratio, 3 * ratio]);
        u.ctx.beginPath();
        u.ctx.moveTo(u.bbox.left, y);
        u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
        u.ctx.stroke();
        u.ctx.font = `${11 * ratio}px system-ui, sans-serif`;
        u.ctx.textAlign = 'left';
        u.ctx.fillText(`limit ${name}`, u.bbox.left + 8 * ratio, y + (sign(i) > 0 ? 14 : -6) * ratio);
        u.ctx.restore();
      });
    };
    const make = () => {
      const axis = resolve('--ink-3');
      const grid = { stroke: resolve('--line'), width: 1 };
      const stroke = [resolve('--flow-in'), resolve('--flow-out')];
      const fill = [resolve('--fill-in'), resolve('--fill-out')];
      const font = '11px system-ui, sans-serif';
      plot.current?.destroy();
      plot.current = new uPlot({
        width: box.current!.clientWidth || 600, height, legend: { show: false }, padding: [8, 8, 0, 0],
        cursor: { y: false, points: { size: 6 } },
        scales: {
          x: { range: (_u, lo, hi) => { const end = hi ?? Date.now() / 1000; return [Math.min(lo ?? end, end - SPAN), end]; } },
          y: { range: () => [mirrored ? -1.02 : 0, 1.02] },
        },
        axes: [
          { stroke: axis, grid: { show: false }, ticks: { show: false }, font, space: 110, size: 26, gap: 8, incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600], values: (_u, vs) => vs.map(clock) },
          { stroke: axis, grid, ticks: { show: false }, font, size: 70, splits: () => (mirrored ? [-1, -0.5, 0, 0.5, 1] : [0, 0.5, 1]),
            values: (_u, vs) => vs.map(v => (v === 0 ? '0' : now.current.format(Math.abs(v) * now.current.tops[v < 0 ? 1 : 0]))) },
        ],
        series: [{}, ...names.map((n, i) => ({ label: n, stroke: stroke[i % 2], fill: fill[i % 2], width: 1.5, points: { show: false } }))],
        hooks: { setCursor: [u => now.current.read(u.cursor.idx)], draw: [limitLines] },
      }, data(), box.current!);
    };
    make();
    const size = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height }));
    size.observe(box.current!);
    const theme = new MutationObserver(make);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', make);
    return () => { size.disconnect(); theme.disconnect(); media.removeEventListener('change', make); plot.current?.destroy(); plot.current = undefined; };
  }, []);
  useEffect(() => { plot.current?.setData(data()); plot.current?.redraw(false, true); read(plot.current?.cursor.idx); });

  const last = samples[samples.length - 1];
  return (
    <figure class="chart" aria-label={`${label}: ${last ? names.map((n, i) => `${n} ${format(last.values[i])}`).join(', ') : 'no figures yet'}`}>
      <div class="reading" ref={reading} />
      <div ref={box} />
    </figure>
  );
}

// A word-sized picture of the same. Where nothing is known the line is broken.
export function Spark({ samples, at = 0 }: { samples: Sample[]; at?: number }) {
  return <Trace values={samples.slice(-60).map(s => s.values[at])} />;
}
export function Trace({ values, width = 88, height = 26 }: { values: (number | null)[]; width?: number; height?: number }) {
  const top = Math.max(1, ...values.map(v => v ?? 0));
  const x = (i: number) => (values.length < 2 ? width : (i / (values.length - 1)) * width).toFixed(1);
  const y = (v: number) => (height - 2 - (v / top) * (height - 5)).toFixed(1);
  const runs: number[][] = [];
  values.forEach((v, i) => { if (v !== null) { if (i && values[i - 1] !== null) runs[runs.length - 1].push(i); else runs.push([i]); } });
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {runs.map(run => {
        const line = run.map(i => `${x(i)},${y(values[i]!)}`).join(' ');
        return <><polygon points={`${x(run[0])},${height} ${line} ${x(run[run.length - 1])},${height}`} /><polyline points={line} /></>;
      })}
      {!runs.length && <polyline points={`0,${height - 2} ${width},${height - 2}`} />}
    </svg>
  );
}
