// One format for every number: 1,284,310, 11.2 MB/s, 6 m 40 s.
export const count = (n: number | null | undefined) =>
  n === null || n === undefined ? '–' : Math.round(n).toLocaleString('en-US');

// [amount, unit] in powers of 1,024.
export function bytesParts(n: number | null | undefined): [string, string] {
  if (n === null || n === undefined) return ['–', ''];
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let u = 0;
  while (n >= 1024 && u < units.length - 1) { n /= 1024; u++; }
  return [u === 0 || n >= 100 || Number.isInteger(n) ? n.toFixed(0) : n.toFixed(1), units[u]];
}
export const bytes = (n: number | null | undefined) => bytesParts(n).join(' ').trim();
// Rates count in powers of 1,000, as quotas are given and networks are sold.
export function rateParts(n: number | null | undefined): [string, string] {
  if (n === null || n === undefined) return ['–', ''];
  const units = ['B/s', 'KB/s', 'MB/s', 'GB/s'];
  let u = 0;
  while (n >= 999.5 && u < units.length - 1) { n /= 1000; u++; }
  const text = u === 0 || n >= 99.95 || Number.isInteger(n) ? n.toFixed(0) : n.toFixed(1);
  return [text, units[u]];
}
export const rate = (n: number | null | undefined) => rateParts(n).join(' ').trim();
// A limit is shown in the units it was given in: plans count in MiB, quotas mostly in MB.
export const rateLimit = (n: number) => (n > 0 && n % 1048576 === 0 ? `${bytes(n)}/s` : rate(n));

export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return s % 60 ? `${m} m ${s % 60} s` : `${m} m`;
  const h = Math.floor(m / 60);
  if (h < 48) return m % 60 ? `${h} h ${m % 60} m` : `${h} h`;
  const d = Math.floor(h / 24);
  return h % 24 ? `${d} days ${h % 24} h` : `${d} days`;
}

// A retention time as a person would say it; -1 is for ever.
export function retention(ms: number): string {
  if (ms === 0) return '';
  if (ms < 0) return 'for ever';
  if (ms % 86400000 === 0) return ms === 86400000 ? '1 day' : `${ms / 86400000} days`;
  if (ms % 3600000 === 0) return `${ms / 3600000} h`;
  return duration(ms);
}

export const ago = (ts: string | number | null | undefined) => {
  if (ts === null || ts === undefined) return 'never';
  const t = typeof ts === 'number' ? ts : Date.parse(ts);
  const d = Date.now() - t;
  return d < 1500 ? 'just now' : `${duration(d)} ago`;
};

const two = (n: number) => String(n).padStart(2, '0');
export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
export const day = (ms: number) => { const d = new Date(ms); return `${d.getDate()} ${months[d.getMonth()]}`; };
export function dateTime(ts: string | number): string {
  const d = new Date(ts);
  return `${d.getDate()} ${months[d.getMonth()]} ${d.getFullYear()} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
export const plural = (n: number, one: string, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;
