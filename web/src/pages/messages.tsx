// The messages of a topic: newest first, from an offset or a time, searched by the service, or followed.
import { Fragment } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { events, get } from '../api';
import { bytes, clock, count, dateTime, plural } from '../format';
import { isJson, Json } from '../json';
import { seg, setQuery } from '../router';
import type { Cluster, Field, Rec, Topic } from '../types';
import { Banner, Button, Copy, Empty, Skeleton } from '../ui';

type State = { found: number; scanned: { records: number; bytes: number }; left: number; unreadable_batches: number; reason?: string; error?: string };
const STEP = 50;
const looksLikeTests = /^\s*(?:not\b|\(|(?:key|value)\s*(?:[.[=!<>]|contains\b|starts\b)|header\s*[.[]|(?:offset|partition|timestamp)\s*[=!<>]|(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*(?:$|(?:and|or)\b))/i;
// What was typed is either a filter (the service's small language) or text to be found in key or value.
const asFilter = (typed: string) => (looksLikeTests.test(typed) ? typed : JSON.stringify(typed.trim()));

const text = (f: Field | null | undefined) => (!f || f.data === null || f.encoding === 'null' ? null : f.data);
function pretty(f: Field | null | undefined) {
  const t = text(f);
  if (t === null) return 'null';
  if (f!.encoding === 'base64') return `base64: ${t}`;
  return isJson(t) ? <Json text={t} /> : t;
}

function Detail({ r, base }: { r: Rec; base: string }) {
  return (
    <tr class="detail"><td colSpan={6}><div class="rec">
      <pre tabIndex={0}>{pretty(r.value)}</pre>
      <dl>
        <dt>Time</dt><dd>{dateTime(r.timestamp)} <span class="unit">{r.timestamp_type === 'LogAppendTime' ? 'as appended' : 'as produced'}</span></dd>
        <dt>Place</dt><dd>partition {r.partition}, offset <span class="mono">{r.offset}</span></dd>
        <dt>Key</dt><dd class="mono">{text(r.key) ?? 'null'}</dd>
        <dt>Size</dt><dd>{bytes(r.value?.size ?? 0)}{r.truncated && ', shown in part'}</dd>
        {r.headers.length > 0 && <><dt>Headers</dt><dd>{r.headers.map(h => <div><span class="mono">{h.name}</span> <span class="unit mono">{h.value}</span></div>)}</dd></>}
        <dt /><dd><Copy text={text(r.value) ?? ''} label="Copy value" /> <a class="btn small" href={`${base}?tab=messages&from=offset&offset=${r.offset}&partition=${r.partition}`}>From here</a></dd>
      </dl>
    </div></td></tr>
  );
}

export function Messages({ c, t, query }: { c: Cluster; t: Topic; query: URLSearchParams }) {
  const from = query.get('from') || 'newest';
  const partition = query.get('partition') || '';
  const filter = query.get('filter') || '';
  const offset = query.get('offset') || '0';
  const time = query.get('time') || '';
  const live = query.get('live') === '1';
  const [typed, type] = useState(filter);
  const [rows, setRows] = useState<Rec[]>([]);
  const [state, setState] = useState<State | null>(null);
  const [more, setMore] = useState({ limit: STEP, effort: 1 });
  const [error, setError] = useState('');
  const [open, expand] = useState('');
  const [busy, setBusy] = useState(false);
  const stop = useRef(() => {});
  const base = `/clusters/${c.id}/topics/${seg(t.topic_name)}`;
  const records = `/leat/v1/clusters/${c.id}/topics/${seg(t.topic_name)}/records`;
  const query_ = `from=${from}${from === 'offset' ? `&offset=${seg(offset)}` : ''}${from === 'timestamp' ? `&timestamp=${Date.parse(time) || 0}` : ''}${partition ? `&partition=${partition}` : ''}${filter.trim() ? `&filter=${seg(asFilter(filter))}` : ''}`;

  useEffect(() => setMore({ limit: STEP, effort: 1 }), [query_, live]);
  // A search tells what it finds while it looks; it ends when the page goes or another one begins.
  useEffect(() => {
    if (live) return;
    const abort = new AbortController();
    let found: Rec[] = [];
    let ended = false;
    let timer = 0;
    const show = () => { timer = 0; setRows(found); };
    const over = (said: State | null) => { clearTimeout(timer); setRows(found); if (said) setState(said); setBusy(false); };
    stop.current = () => { abort.abort(); setState(s => ({ found: found.length, scanned: { records: 0, bytes: 0 }, left: 0, unreadable_batches: 0, ...s, reason: 'stopped' })); over(null); };
    setBusy(true);
    setError('');
    setState(null);
    events(`${records}:search?${query_}&limit=${more.limit}&max_records=${1000000 * more.effort}&max_bytes=${1073741824 * more.effort}`, abort.signal, (name, data) => {
      if (abort.signal.aborted) return;
      if (name === 'record') { found = [...found, data]; if (!timer) timer = window.setTimeout(show, 100); }
      else if (name === 'progress') setState(data);
      else { ended = true; over(data); if (data.error) setError(data.error); }
    }).then(() => { if (!abort.signal.aborted && !ended) { over(null); setError('The search broke off before it had an end.'); } }, e => { if (!abort.signal.aborted) { over(null); setError((e as Error).message); } });
    return () => { clearTimeout(timer); abort.abort(); };
  }, [query_, live, more.limit, more.effort]);
  useEffect(() => {
    if (!live) return;
    let over = false;
    let timer = 0;
    const ask = async () => {
      if (document.hidden) { timer = window.setTimeout(ask, 1000); return; }
      try {
        const a = await get<{ data: Rec[]; scanned: State['scanned'] }>(`${records}?${query_}&limit=${STEP}`);
        if (!over) { setRows(a.data); setState({ found: a.data.length, scanned: a.scanned, left: 0, unreadable_batches: 0 }); setError(''); }
      } catch (e) { if (!over) setError((e as Error).message); }
      if (!over) timer = window.setTimeout(ask, 1000);
    };
    ask();
    return () => { over = true; clearTimeout(timer); };
  }, [query_, live]);

  const reason = busy || live ? undefined : state?.reason;
  const looked = state ? `${plural(state.scanned.records, 'record')}, ${bytes(state.scanned.bytes)}` : '';
  const share = state && state.scanned.records + state.left > 0 ? Math.floor(state.scanned.records / (state.scanned.records + state.left) * 100) : 0;
  const bounded = reason !== undefined && reason !== 'end' && reason !== 'limit' && reason !== 'stopped';
  return (
    <>
      <form class="bar" onSubmit={e => { e.preventDefault(); setQuery({ filter: typed }); }}>
        <select class="in" aria-label="Start from" value={from} onChange={e => setQuery({ from: e.currentTarget.value === 'newest' ? null : e.currentTarget.value, live: null })}>
          <option value="newest">Newest first</option><option value="oldest">Oldest first</option><option value="offset">From an offset</option><option value="timestamp">From a time</option>
        </select>
        {from === 'offset' && <input class="in mono" aria-label="Offset" inputMode="numeric" value={offset} onChange={e => setQuery({ offset: e.currentTarget.value.replace(/\D/g, '') || '0' })} />}
        {from === 'timestamp' && <input class="in" aria-label="Time" type="datetime-local" value={time} onChange={e => setQuery({ time: e.currentTarget.value })} />}
        <select class="in" aria-label="Partition" value={partition} onChange={e => setQuery({ partition: e.currentTarget.value })}><option value="">All partitions</option>{Array.from({ length: t.partitions_count }, (_, i) => <option value={String(i)}>Partition {i}</option>)}</select>
        <input class="in find long" type="search" placeholder={'Text, or value.amount > 100 and key starts with "de-"'} aria-label="Filter" title="key, value, value.path[0], header.name, offset, partition, timestamp; == != < <= > >= contains, starts with; and, or, not" value={typed} onInput={e => { type(e.currentTarget.value); if (!e.currentTarget.value) setQuery({ filter: null }); }} />
        {busy && !live && state ? <Button icon="close" onClick={() => stop.current()}>Stop</Button> : <Button type="submit" icon="search">Search</Button>}
        {from === 'newest' && <Button icon="play" aria-pressed={live} onClick={() => setQuery({ live: live ? null : '1' })}>{live ? 'Stop' : 'Live tail'}</Button>}
      </form>
      {error && <Banner>{error}</Banner>}
      {rows.length === 0 ? (busy ? (state ? <Empty title="Nothing found yet">{`Looked at ${looked}${share ? `, ${share} % of it` : ''}.`}</Empty> : <Skeleton />) : !error && state &&
        <Empty title={bounded || reason === 'stopped' ? 'Nothing found so far' : filter ? 'No record matches' : 'No record here yet'}>{filter || bounded ? `Looked at ${looked}.` : 'Produce one with the button above, or with any Kafka client.'}{bounded && <><br /><Button onClick={() => setMore({ ...more, effort: more.effort * 4 })}>Look further</Button></>}</Empty>
      ) : (
        <div class="card scroll">
          <p class="reading pad-x" role="status">{`${count(rows.length)} shown${looked && `   looked at ${looked}`}${busy ? `   reading…${share ? ` ${share} %` : ''}` : ''}${live ? '   following' : ''}${state?.unreadable_batches ? `   ${plural(state.unreadable_batches, 'batch', 'batches')} could not be read` : ''}`}</p>
          <table aria-label="Messages"><thead><tr><th scope="col">Time</th><th scope="col" class="r">Partition</th><th scope="col" class="r">Offset</th><th scope="col">Key</th><th scope="col">Value</th><th scope="col" class="r">Size</th></tr></thead>
            <tbody>{rows.map(r => {
              const id = `${r.partition}:${r.offset}`;
              return <Fragment key={id}>
                <tr class={open === id ? 'open pick-row' : 'pick-row'} onClick={() => expand(open === id ? '' : id)}>
                  <td class="mono"><button type="button" class="sort mono" aria-expanded={open === id} aria-label={`Record at partition ${r.partition}, offset ${r.offset}`}>{clock(r.timestamp)}</button></td>
                  <td class="r">{r.partition}</td><td class="r mono">{count(r.offset)}</td><td class="mono">{text(r.key) ?? <span class="quiet-ink">null</span>}</td>
                  <td class="mono cut">{text(r.value) ?? <span class="quiet-ink">null</span>}</td><td class="r">{bytes(r.value?.size ?? 0)}</td>
                </tr>
                {open === id && <Detail r={r} base={base} />}
              </Fragment>;
            })}</tbody></table>
          {reason && reason !== 'end' && reason !== 'stopped' && <p class="pad-x more"><Button kind="small" onClick={() => setMore(reason === 'limit' ? { ...more, limit: more.limit + 2 * STEP } : { ...more, effort: more.effort * 4 })}>{reason === 'limit' ? 'Show more' : 'Look further'}</Button></p>}
        </div>
      )}
    </>
  );
}
