// The messages of a topic: newest first, from an offset or a time, filtered by the server, or followed.
import { Fragment } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get } from '../api';
import { bytes, clock, count, dateTime } from '../format';
import { isJson, Json } from '../json';
import { seg, setQuery } from '../router';
import type { Cluster, Field, Rec, Topic } from '../types';
import { Banner, Button, Copy, Empty, Skeleton } from '../ui';

type Answer = { data: Rec[]; scanned: { records: number; bytes: number }; partitions: { partition_id: number; next_offset: number; end_offset: number }[] };

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
  const [answer, set] = useState<Answer | null>(null);
  const [error, setError] = useState('');
  const [open, expand] = useState('');
  const [busy, setBusy] = useState(false);
  const base = `/clusters/${c.id}/topics/${seg(t.topic_name)}`;
  let path = `/leat/v1/clusters/${c.id}/topics/${seg(t.topic_name)}/records?from=${from}&limit=50`;
  if (from === 'offset') path += `&offset=${seg(offset)}`;
  if (from === 'timestamp') path += `&timestamp=${Date.parse(time) || 0}`;
  if (partition) path += `&partition=${partition}`;
  if (filter) path += `&filter=${seg(filter)}`;

  useEffect(() => {
    let over = false;
    let timer = 0;
    const ask = async () => {
      if (document.hidden && live) { timer = window.setTimeout(ask, 1000); return; }
      setBusy(true);
      try {
        const a = await get<Answer>(path);
        if (!over) { set(a); setError(''); }
      } catch (e) { if (!over) setError((e as Error).message); }
      if (!over) setBusy(false);
      if (!over && live) timer = window.setTimeout(ask, 1000);
    };
    ask();
    return () => { over = true; clearTimeout(timer); };
  }, [path, live]);

  const rows = answer?.data || [];
  return (
    <>
      <form class="bar" onSubmit={e => { e.preventDefault(); setQuery({ filter: typed }); }}>
        <select class="in" aria-label="Start from" value={from} onChange={e => setQuery({ from: e.currentTarget.value === 'newest' ? null : e.currentTarget.value, live: null })}>
          <option value="newest">Newest first</option><option value="oldest">Oldest first</option><option value="offset">From an offset</option><option value="timestamp">From a time</option>
        </select>
        {from === 'offset' && <input class="in mono" aria-label="Offset" inputMode="numeric" value={offset} onChange={e => setQuery({ offset: e.currentTarget.value.replace(/\D/g, '') || '0' })} />}
        {from === 'timestamp' && <input class="in" aria-label="Time" type="datetime-local" value={time} onChange={e => setQuery({ time: e.currentTarget.value })} />}
        <select class="in" aria-label="Partition" value={partition} onChange={e => setQuery({ partition: e.currentTarget.value })}><option value="">All partitions</option>{Array.from({ length: t.partitions_count }, (_, i) => <option value={String(i)}>Partition {i}</option>)}</select>
        <input class="in find" type="search" placeholder="Text in key or value" aria-label="Text in key or value" value={typed} onInput={e => { type(e.currentTarget.value); if (!e.currentTarget.value) setQuery({ filter: null }); }} />
        <Button type="submit" icon="search">Search</Button>
        {from === 'newest' && <Button icon="play" aria-pressed={live} onClick={() => setQuery({ live: live ? null : '1' })}>{live ? 'Stop' : 'Live tail'}</Button>}
      </form>
      {error && <Banner>{error}</Banner>}
      {!answer ? (!error && <Skeleton />) : rows.length === 0 ? (
        <Empty title={filter ? 'No record matches' : 'No record here yet'}>{filter ? `Scanned ${count(answer.scanned.records)} records, ${bytes(answer.scanned.bytes)}.` : 'Produce one with the button above, or with any Kafka client.'}</Empty>
      ) : (
        <div class="card scroll">
          <p class="reading pad-x" role="status">{`${count(rows.length)} shown   scanned ${count(answer.scanned.records)} records, ${bytes(answer.scanned.bytes)}${busy && !live ? '   reading…' : ''}${live ? '   following' : ''}`}</p>
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
        </div>
      )}
    </>
  );
}
