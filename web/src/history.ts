// What the service's history answers, and what charts and tables make of it.
import { bytes, count, day, duration, rate } from './format';

export type Values = (number | null)[];
export type By = 'topic' | 'consumer_group_id' | 'principal_id';
export type Series = { metric: string; kind: 'counter' | 'gauge'; unit: string; topic?: string; consumer_group_id?: string; principal_id?: string; values: Values };
export type History = { from: number; to: number; step_ms: number; observed_ms: number[]; series: Series[] };

export const SPANS: [string, string, string][] = [
  ['15m', '15 min', '15 minutes'], ['1h', '1 h', 'hour'], ['6h', '6 h', '6 hours'], ['24h', '24 h', '24 hours'],
  ['7d', '7 days', '7 days'], ['30d', '30 days', '30 days'], ['90d', '90 days', '90 days'],
];

// --- kinds of charts -------------------------------------------------------------------------------------
type Form = (n: number) => string;
type Part = { metric: string; name: string };
export type Kind = { title: string; note: string; parts: Part[]; format: Form; scale: 'decimal' | 'binary' | 'time'; least: number; mirrored?: boolean };
const digits = (n: number) => (n >= 100 || n === 0 ? count(n) : n.toFixed(n >= 10 ? 1 : 2).replace(/\.?0+$/, ''));
export const perSecond: Form = n => `${digits(n)}/s`;
const percent: Form = n => `${digits(n / 10)} %`; // of ms a second
const age: Form = ms => (ms > 0 && ms < 1000 ? `${Math.round(ms)} ms` : duration(ms));

export const kinds = {
  flow: { title: 'In and out', note: 'bytes per second', parts: [{ metric: 'received_bytes', name: 'in' }, { metric: 'sent_bytes', name: 'out' }], format: rate, scale: 'decimal', least: 100, mirrored: true },
  records: { title: 'Records', note: 'in and out per second', parts: [{ metric: 'received_records', name: 'in' }, { metric: 'sent_records', name: 'out' }], format: perSecond, scale: 'decimal', least: 1, mirrored: true },
  lag: { title: 'Lag', note: 'records behind', parts: [{ metric: 'consumer_lag_offsets', name: 'behind' }], format: count, scale: 'decimal', least: 10 },
  age: { title: 'Time lag', note: 'age of the oldest record not read', parts: [{ metric: 'consumer_time_lag_ms', name: 'behind' }], format: age, scale: 'time', least: 2000 },
  storage: { title: 'Storage', note: 'bytes kept', parts: [{ metric: 'retained_bytes', name: 'stored' }], format: bytes, scale: 'binary', least: 1024 },
  requests: { title: 'Requests', note: 'and errors below, per second', parts: [{ metric: 'request_count', name: 'requests' }, { metric: 'request_error_count', name: 'errors' }], format: perSecond, scale: 'decimal', least: 1, mirrored: true },
  connections: { title: 'Connections', note: 'of clients', parts: [{ metric: 'active_connection_count', name: 'open' }], format: digits, scale: 'decimal', least: 10 },
  throttle: { title: 'Throttled', note: 'time for which quotas held clients back', parts: [{ metric: 'throttle_time_ms', name: 'held back' }], format: n => `${digits(n)} ms/s`, scale: 'decimal', least: 10 },
  cpu: { title: 'CPU', note: 'of one core', parts: [{ metric: 'broker_cpu_ms', name: 'broker' }], format: percent, scale: 'decimal', least: 10 },
  memory: { title: 'Memory', note: 'resident', parts: [{ metric: 'broker_memory_bytes', name: 'broker' }], format: bytes, scale: 'binary', least: 1048576 },
} satisfies Record<string, Kind>;
export type KindName = keyof typeof kinds;

// --- scales: where an axis may end, so that it and its half are said in few words ----------------------------
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const times = [
  ...[2, 4, 10, 20, 30].map(n => n * SECOND), ...[1, 2, 4, 10, 20, 30].map(n => n * MINUTE), ...[1, 2, 4, 6, 12].map(n => n * HOUR),
  ...[1, 2, 4, 8, 16, 32, 64, 128].map(n => n * DAY),
];
export function top(scale: Kind['scale'], n: number): number {
  if (scale === 'time') return times.find(t => t >= n) ?? n;
  let unit = 1;
  if (scale === 'binary') while (n / unit >= 1024) unit *= 1024;
  const ten = 10 ** Math.floor(Math.log10(n / unit));
  const best = [1, 2, 3, 4, 5, 6, 8, 10].find(f => f * ten * unit >= n)! * ten;
  return scale === 'binary' && best > 800 ? 1024 * unit : best * unit;
}

// --- steps ---------------------------------------------------------------------------------------------------
export const begin = (h: History, i: number) => h.from + i * h.step_ms;
export const end = (h: History, i: number) => Math.min(h.to, begin(h, i + 1));
// What is drawn: a counter's step as a rate over the time in which somebody looked, a gauge's as it stands.
export const drawn = (h: History, s: Series): Values =>
  (s.kind === 'gauge' ? s.values : s.values.map((v, i) => (v === null || !h.observed_ms[i] ? null : v * 1000 / h.observed_ms[i])));
// Where nobody looked for a part of a step.
export const partly = (h: History, i: number) => (h.observed_ms[i] && h.observed_ms[i] < end(h, i) - begin(h, i) ? `${duration(h.observed_ms[i])} of it known` : '');
export const known = (values: Values) => values.filter((v): v is number => v !== null);
export const lastKnown = (values: Values) => { let i = values.length - 1; while (i > 0 && (values[i] ?? null) === null) i--; return i; };

const two = (n: number) => String(n).padStart(2, '0');
export const hm = (ms: number) => { const d = new Date(ms); return `${two(d.getHours())}:${two(d.getMinutes())}`; };
export function stepWords(h: History, from: number, to: number): string {
  const long = h.to - h.from >= DAY;
  return `${long ? `${day(from)} ` : ''}${hm(from)} to ${long && day(to) !== day(from) ? `${day(to)} ` : ''}${hm(to)}`;
}

// --- the same for programs -----------------------------------------------------------------------------------
const cell = (v: number | null) => (v === null ? '' : String(v));
export function csv(h: History): string {
  const rows = h.observed_ms.map((_, i) => [new Date(begin(h, i)).toISOString(), ...h.series.map(s => cell(s.values[i]))].join(','));
  return `${[['from', ...h.series.map(s => s.metric)].join(','), ...rows].join('\n')}\n`;
}
