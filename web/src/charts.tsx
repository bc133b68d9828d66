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
  mirrored?: boolean; // the second value below the water line
  names: string[];
};

export function Chart({ samples, label, height = 220, format, mirrored, names }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const reading = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const data = (): uPlot.AlignedData => [
    samples.map(s => s.at / 1000),
    ...names.map((_, i) => samples.map(s => (mirrored && i === 1 ? -s.values[i] : s.values[i]))),
  ];
  const read = (at: number | null | undefined) => {
    const s = samples[at ?? samples.length - 1];
    if (!reading.current) return;
    reading.current.textContent = s
      ? `${new Date(s.at).toLocaleTimeString('en-GB')}   ${names.map((n, i) => `${n} ${format(s.values[i])}`).join('   ')}`
      : 'waiting for the first figures';
  };
  const latest = useRef(read);
  latest.current = read;

  useEffect(() => {
    const make = () => {
      const axis = resolve('--ink-3');
      const grid = { stroke: resolve('--line'), width: 1 };
      const stroke = [resolve('--flow-in'), resolve('--flow-out')];
      const fill = [resolve('--fill-in'), resolve('--fill-out')];
      const font = '11px system-ui, sans-serif';
      plot.current?.destroy();
      plot.current = new uPlot({
        width: box.current!.clientWidth || 600, height, legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        scales: { y: { range: (_u, lo, hi) => {
          const top = Math.max(Math.abs(hi || 0), mirrored ? Math.abs(lo || 0) : 0, 1) * 1.15;
          return [mirrored ? -top : 0, top];
        } } },
        axes: [
          { stroke: axis, grid: { show: false }, ticks: { show: false }, font, space: 90, values: (_u, vs) => vs.map(v => new Date(v * 1000).toLocaleTimeString('en-GB')) },
          { stroke: axis, grid, ticks: { show: false }, font, size: 74, space: 44, values: (_u, vs) => vs.map(v => format(Math.abs(v))) },
        ],
        series: [{}, ...names.map((n, i) => ({ label: n, stroke: stroke[i % 2], fill: fill[i % 2], width: 1.5, points: { show: false } }))],
        hooks: { setCursor: [u => latest.current(u.cursor.idx)] },
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
  useEffect(() => { plot.current?.setData(data()); read(plot.current?.cursor.idx); });

  const last = samples[samples.length - 1];
  return (
    <figure class="chart" aria-label={`${label}: ${last ? names.map((n, i) => `${n} ${format(last.values[i])}`).join(', ') : 'no figures yet'}`}>
      <div class="reading" ref={reading} />
      <div ref={box} />
    </figure>
  );
}

// A word-sized picture of the same.
export function Spark({ samples, at = 0, width = 88, height = 26 }: { samples: Sample[]; at?: number; width?: number; height?: number }) {
  const shown = samples.slice(-60);
  const top = Math.max(1, ...shown.map(s => s.values[at]));
  const x = (i: number) => (shown.length < 2 ? width : (i / (shown.length - 1)) * width);
  const points = shown.map((s, i) => `${x(i).toFixed(1)},${(height - 2 - (s.values[at] / top) * (height - 5)).toFixed(1)}`);
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {points.length > 1
        ? <><polygon points={`0,${height} ${points.join(' ')} ${width},${height}`} /><polyline points={points.join(' ')} /></>
        : <polyline points={`0,${height - 2} ${width},${height - 2}`} />}
    </svg>
  );
}
