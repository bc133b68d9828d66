// Who changed what, and who was turned away: newest first, searched, taken along, and checked.
import { useState } from 'preact/hooks';
import { get, useGet } from '../api';
import { count, dateTime, plural } from '../format';
import { setQuery } from '../router';
import type { Cluster } from '../types';
import { Banner, Button, Copy, Empty, Head, Skeleton, Table } from '../ui';

type Entry = { id: number; at: string; actor: string; door: string; address: string; operation: string; resource: string; cluster_id: string; detail: Record<string, unknown> };
type Verdict = { intact: boolean; rows: number; head: string; broken_at: number | null; what: string };
const doors: [string, string][] = [['', 'any door'], ['session', 'console'], ['cloud_key', 'cloud key'], ['cluster_key', 'cluster key'], ['kafka', 'Kafka'], ['system', 'the service itself'], ['api_key', 'refused key']];
const doorWord = (d: string) => doors.find(([k]) => k === d)?.[1] || d;

type Check = { busy?: boolean; verdict?: Verdict; error?: string };
const Verified = ({ verdict: v }: { verdict: Verdict }) => (
  <Banner kind={v.intact ? 'info' : 'bad'}>{v.intact
    ? <><b>Intact.</b> {count(v.rows)} rows are what was written, in that order. Newest: <span class="mono wrap">{v.head}</span> <Copy text={v.head} /></>
    : <><b>Broken at row {v.broken_at}.</b> {v.what}</>}</Banner>
);

// What changed, shortly: "plan: basic → standard", what was made by its fields, the rest by name.
const SHOWN = 6;
const word = (v: unknown): string => { if (Array.isArray(v)) return plural(v.length, 'row'); const s = typeof v === 'object' && v !== null ? JSON.stringify(v) : String(v); return s.length > 60 ? `${s.slice(0, 57)}…` : s; };
function told(detail: Record<string, unknown>): string {
  const { before, after, ...rest } = (detail || {}) as { before?: Record<string, unknown>; after?: Record<string, unknown> };
  const names = [...new Set([...Object.keys(before || {}), ...Object.keys(after || {})])];
  const old = before || {}, now = after || {};
  const means = (v: unknown) => v !== undefined && v !== null && v !== '';
  const changes = names.filter(n => !/_at$|^id$|^cluster_id$/.test(n) && !(n in rest) && (means(old[n]) || means(now[n]))).map(n =>
    n in old && n in now ? `${n}: ${word(old[n])} → ${word(now[n])}` : n in old ? `${n} was ${word(old[n])}` : `${n}: ${word(now[n])}`);
  const all = [...Object.entries(rest).map(([k, v]) => `${k}: ${word(v)}`), ...changes];
  return all.slice(0, SHOWN).join(', ') + (all.length > SHOWN ? `, and ${all.length - SHOWN} more` : '');
}

export function Audit({ c, query = new URLSearchParams() }: { c?: Cluster; query?: URLSearchParams }) {
  const [tokens, setTokens] = useState<string[]>([]);
  const [check, setCheck] = useState<Check>({});
  const verify = async () => {
    setCheck({ busy: true });
    try { setCheck({ verdict: await get('/leat/v1/audit:verify') }); } catch (e) { setCheck({ error: (e as Error).message }); }
  };
  const token = tokens[tokens.length - 1];
  const filter = new URLSearchParams();
  if (c) filter.set('cluster_id', c.id);
  for (const name of ['text', 'door', 'from', 'to']) { const v = query.get(name); if (v) filter.set(name, v); }
  const page = new URLSearchParams(filter);
  page.set('page_size', '50');
  if (token) page.set('page_token', token);
  const list = useGet<{ data: Entry[]; metadata?: { next: string | null } }>(`/leat/v1/audit?${page}`, token ? 0 : 5000);
  const next = list.value?.metadata?.next ? new URL(list.value.metadata.next, location.href).searchParams.get('page_token') : null;
  const narrow = (values: Record<string, string | null>) => { setTokens([]); setQuery(values); };
  const filtered = ['text', 'door', 'from', 'to'].some(n => query.get(n));
  return (
    <>
      <Head title="Audit" lead={`Every change${c ? ' of this cluster' : ', and everyone who was turned away'}: who, through which door, and from where. Each row vouches for the one before it.`}
        actions={<><a class="btn" href={`/leat/v1/audit:export?${filter}`} download="audit.jsonl">Export</a>{!c && <Button onClick={verify} disabled={check.busy}>{check.busy ? 'Checking…' : 'Check the chain'}</Button>}</>} />
      {check.error && <Banner>{check.error}</Banner>}
      {check.verdict && <Verified verdict={check.verdict} />}
      <div class="bar">
        <input class="in" type="search" aria-label="Search" placeholder="who, what, which, from where" value={query.get('text') || ''} onInput={e => narrow({ text: e.currentTarget.value })} />
        <label>By <select class="in" aria-label="Door" value={query.get('door') || ''} onChange={e => narrow({ door: e.currentTarget.value })}>{doors.map(([k, w]) => <option value={k}>{w}</option>)}</select></label>
        <label>From <input class="in" type="date" aria-label="From" value={query.get('from') || ''} onChange={e => narrow({ from: e.currentTarget.value })} /></label>
        <label>to <input class="in" type="date" aria-label="To" value={query.get('to') || ''} onChange={e => narrow({ to: e.currentTarget.value })} /></label>
      </div>
      {list.error && <Banner>{list.error}</Banner>}
      {!list.value ? (!list.error && <Skeleton />) : list.value.data.length === 0 ? <Empty title={filtered ? 'Nothing fits' : 'Nothing yet'}>{filtered ? 'Search for less.' : 'Changes show here as they are made.'}</Empty> :
        <Table label="Audit" rows={list.value.data} rowKey={e => String(e.id)} columns={[
          { title: 'Time', cell: e => dateTime(e.at) },
          { title: 'What', cell: e => <><span class="mono">{e.operation}</span>{told(e.detail) && <small class="fold" title={JSON.stringify(e.detail, null, 1)}>{told(e.detail)}</small>}</> },
          { title: 'Which', cell: e => <span class="mono wrap">{e.resource}</span> },
          { title: 'Who', cell: e => e.actor || <span class="quiet-ink">unknown</span> },
          { title: 'Door', narrow: 'p2', cell: e => doorWord(e.door) },
          { title: 'From', narrow: 'p3', cell: e => <span class="mono">{e.address}</span> },
        ]} />}
      {(tokens.length > 0 || next) && <><br /><div class="bar">{tokens.length > 0 && <Button icon="back" onClick={() => setTokens(tokens.slice(0, -1))}>Newer</Button>}{next && <Button onClick={() => setTokens([...tokens, next])}>Older</Button>}</div></>}
    </>
  );
}
