// Figures over time from the service's history: charts that share a cursor, and the same as numbers.
import uPlot from 'uplot';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useGet } from './api';
import { Spark } from './charts';
import { colours, round } from './charts';
import { bytes, count, dateTime, duration, rate } from './format';
import { setQuery } from './router';
import { Banner, Button, Empty, Section, Skeleton, Table } from './ui';
import type { ComponentChildren } from 'preact';

export type Values = (number | null)[];
type Series = { metric: string; kind: 'counter' | 'gauge'; unit: string; topic?: string; consumer_group_id?: string; principal_id?: string; values: Values };
export type History = { from: number; to: number; step_ms: number; series: Series[] };

const SPANS: [string, string][] = [['15m', '15 min'], ['1h', '1 h'], ['6h', '6 h'], ['24h', '24 h'], ['7d', '7 days'], ['30d', '30 days'], ['90d', '90 days']];
const REFRESH = 20000; // a minute is there two seconds after its end
const perSecond = (n: number) => `${n >= 100 || n === 0 ? count(n) : n.toFixed(n >= 10 ? 1 : 2)}/s`;
const percent = (n: number) => `${(n / 10).toFixed(n >= 100 ? 0 : 1)} %`; // of ms a second

type Part = { metric: string; name: string };
export type ChartKind = { title: string; note: string; parts: Part[]; format: (n: number) => string; mirrored?: boolean };
const kinds: Record<string, ChartKind> = {
  flow: { title: 'In and out', note: 'bytes per second', parts: [{ metric: 'received_bytes', name: 'in' }, { metric: 'sent_bytes', name: 'out' }], format: rate, mirrored: true },
  records: { title: 'Records', note: 'per second', parts: [{ metric: 'received_records', name: 'in' }, { metric: 'sent_records', name: 'out' }], format: perSecond, mirrored: true },
  lag: { title: 'Lag', note: 'records behind', parts: [{ metric: 'consumer_lag_offsets', name: 'behind' }], format: count },
  age: { title: 'Time lag', note: 'age of the oldest record not read', parts: [{ metric: 'consumer_time_lag_ms', name: 'behind' }], format: duration },
  storage: { title: 'Storage', note: 'bytes kept', parts: [{ metric: 'retained_bytes', name: 'stored' }], format: bytes },
  requests: { title: 'Requests', note: 'per second', parts: [{ metric: 'request_count', name: 'requests' }, { metric: 'request_error_count', name: 'errors' }], format: perSecond },
  connections: { title: 'Connections', note: 'of clients', parts: [{ metric: 'active_connection_count', name: 'open' }], format: count },
  throttle: { title: 'Throttled', note: 'time for which quotas held clients back, per second', parts: [{ metric: 'throttle_time_ms', name: 'throttled' }], format: n => `${count(n)} ms/s` },
  cpu: { title: 'Processor', note: 'of one core', parts: [{ metric: 'broker_cpu_ms', name: 'broker' }], format: percent },
  memory: { title: 'Memory', note: 'resident', parts: [{ metric: 'broker_memory_bytes', name: 'broker' }], format: bytes },
};

// --- what is in a step -------------------------------------------------------------------------------
const stepEnd = (h: History, i: number) => Math.min(h.to, h.from + (i + 1) * h.step_ms);
// A counter's step as a rate; the last step may be cut short.
export function rates(h: History, s: Series): Values {
  if (s.kind === 'gauge') return s.values;
  return s.values.map((v, i) => (v === null ? null : v * 1000 / (stepEnd(h, i) - (h.from + i * h.step_ms))));
}
const two = (n: number) => String(n).padStart(2, '0');
const hm = (ms: number) => { const d = new Date(ms); return `${two(d.getHours())}:${two(d.getMinutes())}`; };
const day = (ms: number) => new Date(ms).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
const stepText = (h: History, i: number) => {
  const at = h.from + i * h.step_ms;
  return `${h.to - h.from > 86400000 ? `${day(at)} ` : ''}${hm(at)} to ${hm(stepEnd(h, i))}`;
};

// --- one chart -----------------------------------------------------------------------------------------
const HEIGHT = 150;
const INCRS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 604800, 1209600];

function Lines({ h, kind, label }: { h: History; kind: ChartKind; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const reading = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const lines = kind.parts.map(p => { const s = h.series.find(x => x.metric === p.metric); return s ? rates(h, s) : []; });
  const high = lines.map(values => Math.max(0, ...values.map(v => v ?? 0)));
  const all = Math.max(...high);
  const tops = high.map(n => round(Math.max(kind.mirrored ? n : all, kind.format === duration ? 1000 : 10)));
  const sign = (i: number) => (kind.mirrored && i === 1 ? -1 : 1);
  // Values are drawn as shares of their scale, each from the beginning of its step to the end.
  const data = (): uPlot.AlignedData => {
    const n = lines[0].length;
    const xs = Array.from({ length: n + 1 }, (_, i) => (i < n ? h.from + i * h.step_ms : h.to) / 1000);
    return [xs, ...lines.map((v, i) => [...v, v[n - 1] ?? null].map(x => (x === null ? null : sign(i) * x / tops[i])))];
  };
  const text = (i: number) => kind.parts.map((p, k) => `${p.name} ${lines[k][i] === null || lines[k][i] === undefined ? 'not known' : kind.format(lines[k][i]!)}`).join('   ');
  let newest = lines[0].length - 1;
  while (newest > 0 && lines[0][newest] === null) newest--;
  const read = (at: number | null | undefined) => {
    const i = Math.min(at ?? newest, lines[0].length - 1);
    if (reading.current) reading.current.textContent = `${stepText(h, i)}   ${text(i)}`;
  };
  const now = useRef({ h, read, tops, kind });
  now.current = { h, read, tops, kind };

  useEffect(() => {
    const make = () => {
      const [axis, line, ...ink] = colours('--ink-3', '--line', '--flow-in', '--flow-out', '--fill-in', '--fill-out');
      const font = '11px system-ui, sans-serif';
      plot.current?.destroy();
      plot.current = new uPlot({
        width: box.current!.clientWidth || 480, height: HEIGHT, legend: { show: false }, padding: [8, 8, 0, 0],
        cursor: { y: false, points: { size: 6 }, sync: { key: 'over-time' } },
        scales: {
          x: { range: () => [now.current.h.from / 1000, now.current.h.to / 1000] },
          y: { range: () => [kind.mirrored ? -1.02 : 0, 1.02] },
        },
        axes: [
          { stroke: axis, grid: { show: false }, ticks: { show: false }, font, space: 70, size: 26, gap: 8, incrs: INCRS,
            values: (_u, vs) => vs.map(v => (now.current.h.to - now.current.h.from > 2 * 86400000 ? day(v * 1000) : hm(v * 1000))) },
          { stroke: axis, grid: { stroke: line, width: 1 }, ticks: { show: false }, font, size: 74, splits: () => (kind.mirrored ? [-1, 0, 1] : [0, 0.5, 1]),
            values: (_u, vs) => vs.map(v => (v === 0 ? '0' : now.current.kind.format(Math.abs(v) * now.current.tops[v < 0 ? 1 : 0]))) },
        ],
        series: [{}, ...kind.parts.map((p, i) => ({ label: p.name, stroke: ink[i % 2], fill: ink[2 + i % 2], width: 1.5, points: { show: false }, paths: uPlot.paths.stepped!({ align: 1 }) }))],
        hooks: { setCursor: [u => now.current.read(u.cursor.idx)] },
      }, data(), box.current!);
    };
    make();
    const size = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height: HEIGHT }));
    size.observe(box.current!);
    const theme = new MutationObserver(make);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', make);
    return () => { size.disconnect(); theme.disconnect(); media.removeEventListener('change', make); plot.current?.destroy(); plot.current = undefined; };
  }, []);
  useEffect(() => { plot.current?.setData(data()); plot.current?.redraw(false, true); read(plot.current?.cursor.idx); });

  const spoken = kind.parts.map((p, i) => `${p.name} at most ${kind.format(high[i])}`).join(', ');
  return (
    <figure class="chart" aria-label={`${label}: ${spoken}; at the end ${text(newest)}`}>
      <div class="reading" ref={reading} />
      <div ref={box} />
    </figure>
  );
}

// --- the same as numbers ---------------------------------------------------------------------------------
const csvCell = (v: number | string | null) => (v === null ? '' : String(v));
function csv(h: History): string {
  const head = ['at', ...h.series.map(s => s.metric)].join(',');
  const rows = h.series[0].values.map((_, i) => [new Date(h.from + i * h.step_ms).toISOString(), ...h.series.map(s => csvCell(s.values[i]))].join(','));
  return `${[head, ...rows].join('\n')}\n`;
}
function download(h: History, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([csv(h)], { type: 'text/csv' }));
  link.download = `${name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
const words = (metric: string) => metric.replace(/_/g, ' ');
function Numbers({ h }: { h: History }) {
  const rows = h.series[0].values.map((_, i) => h.series[0].values.length - 1 - i);
  return <div class="numbers"><Table label="Numbers" rows={rows} rowKey={i => String(h.from + i * h.step_ms)} columns={[
    { title: 'From', cell: i => <time dateTime={new Date(h.from + i * h.step_ms).toISOString()}>{dateTime(h.from + i * h.step_ms)}</time> },
    ...h.series.map(s => ({ title: words(s.metric), num: true, cell: (i: number) => (s.values[i] === null ? <span class="quiet-ink">not known</span> : count(s.values[i])) })),
  ]} /></div>;
}

// --- where it comes from ---------------------------------------------------------------------------------
export type Top = { by: 'topic' | 'consumer_group_id' | 'principal_id'; metric: string; title: string; note: string; column: string; show: (n: number) => string; link?: (name: string) => string };
function Largest({ base, span, only, top }: { base: string; span: string; only: string; top: Top }) {
  const answer = useGet<History>(`${base}?span=${span}&metric=${top.metric}&by=${top.by}&limit=8${only}`, REFRESH);
  const h = answer.value;
  if (!h) return answer.error ? <Banner>{answer.error}</Banner> : <Skeleton rows={3} />;
  const rows = h.series.map(s => {
    const known = s.values.filter((v): v is number => v !== null);
    const total = s.kind === 'counter' ? known.reduce((a, b) => a + b, 0) : known.at(-1) ?? 0;
    return { name: s[top.by]!, total, samples: s.values.map((v, i) => ({ at: h.from + i * h.step_ms, values: [v ?? 0] })) };
  });
  if (!rows.some(r => r.total > 0)) return <Empty title="Nothing in this time">It shows here as soon as there is something to tell.</Empty>;
  return <Table label={top.title} rows={rows} rowKey={r => r.name} columns={[
    { title: top.column, cell: r => (top.link && r.name !== '(others)' ? <a class="name" href={top.link(r.name)}>{r.name}</a> : r.name) },
    { title: 'Over time', narrow: 'p3', cell: r => <Spark samples={r.samples} span={r.samples.length} /> },
    { title: top.note, num: true, cell: r => top.show(r.total) },
  ]} />;
}

// --- the whole -------------------------------------------------------------------------------------------
// `only` restricts to a topic or group: "&topic=orders".
export function OverTime({ cluster, charts, only = '', query, tops = [], name, children }: {
  cluster: string; charts: (keyof typeof kinds)[]; only?: string; query: URLSearchParams; tops?: Top[]; name: string; children?: ComponentChildren;
}) {
  const asked = query.get('span') || '';
  const span = SPANS.some(([s]) => s === asked) ? asked : '1h';
  const [numbers, showNumbers] = useState(false);
  const shown = charts.map(c => kinds[c]);
  const metrics = shown.flatMap(k => k.parts.map(p => `&metric=${p.metric}`)).join('');
  const base = `/leat/v1/clusters/${cluster}/history`;
  const answer = useGet<History>(`${base}?span=${span}${metrics}${only}`, REFRESH);
  const h = answer.value;
  const known = !!h?.series.some(s => s.values.some(v => v !== null));
  return (
    <>
      <div class="bar" role="group" aria-label="Time">
        {SPANS.map(([key, word]) => <Button kind="small" class={key === span ? 'on' : ''} aria-pressed={key === span} onClick={() => setQuery({ span: key })}>{word}</Button>)}
        <span class="grow" />
        {known && <><Button kind="small" aria-pressed={numbers} onClick={() => showNumbers(!numbers)}>{numbers ? 'Charts' : 'Numbers'}</Button><Button kind="small" icon="down" onClick={() => download(h!, `${name}-${span}`)}>CSV</Button></>}
      </div>
      {children}
      {answer.error && <Banner>{answer.error}</Banner>}
      {!h ? (!answer.error && <Skeleton rows={6} />) : !known ? <Empty title="Nothing is known of this time yet">Figures are kept by the minute from the first whole minute on, for seven days, and by the hour for ninety.</Empty>
        : numbers ? <Numbers h={h} />
        : <div class="charts">{shown.map(k => <Section key={k.title} title={k.title} note={k.note}><Lines h={h} kind={k} label={k.title} /></Section>)}</div>}
      {known && !numbers && tops.length > 0 && <div class="charts">{tops.map(t => <Section key={t.title} title={t.title}><Largest base={base} span={span} only={only} top={t} /></Section>)}</div>}
    </>
  );
}
