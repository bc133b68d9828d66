// Logs of a broker and of the service: their last lines, followed as they come, narrowed by level and words.
import { useEffect, useRef, useState } from 'preact/hooks';
import { useGet } from '../api';
import { plural } from '../format';
import { useMay } from '../may';
import { setQuery } from '../router';
import { save } from '../save';
import type { Cluster } from '../types';
import { Banner, Button, Empty, Head, Skeleton } from '../ui';

const levels = ['debug', 'info', 'warn', 'error'];
type Line = { n: number; at: string; level: string; text: string };

// "2026-01-31T10:00:00.000Z warn what happened"; a line without them is of what the line before it was.
function read(lines: string[]): Line[] {
  let level = 'info';
  return lines.map((line, n) => {
    const parts = /^(\d{4}-\d\d-\d\dT\S+Z) (debug|info|warn|error) (.*)$/.exec(line);
    if (parts) level = parts[2];
    return { n, at: parts?.[1] || '', level, text: parts ? parts[3] : line };
  });
}

type Shown = { path: string; file: string; title: string; lead: string; empty: string; query: URLSearchParams; allowed: boolean; refused: string; known: boolean };

function Log({ path, file, title, lead, empty, query, known, allowed, refused }: Shown) {
  const amount = ['100', '300', '1000'].includes(query.get('lines') || '') ? query.get('lines')! : '300';
  const least = levels.indexOf(query.get('level') || 'debug');
  const find = (query.get('find') || '').toLowerCase();
  const [paused, pause] = useState<string[] | null>(null);
  const list = useGet<{ lines: string[] }>(known && allowed && !paused ? `${path}?lines=${amount}` : null, 2000);
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const lines = paused || list.value?.lines;
  const shown = read(lines || []).filter(l => levels.indexOf(l.level) >= least && (!find || l.text.toLowerCase().includes(find)));
  const last = `${lines?.length} ${lines?.[lines.length - 1]} ${shown.length}`;
  useEffect(() => { if (box.current && follows.current) box.current.scrollTop = box.current.scrollHeight; }, [last]);
  return (
    <>
      <Head title={title} lead={lead}
        actions={allowed && <><Button icon="down" onClick={() => save(file, (lines || []).join('\n') + '\n')} disabled={!lines?.length}>Download</Button><Button icon={paused ? 'play' : 'pause'} kind={paused ? 'primary' : ''} onClick={() => { follows.current = true; pause(paused ? null : lines || []); }}>{paused ? 'Go on' : 'Hold'}</Button></>} />
      {known && !allowed && <Empty title="Your roles do not show logs">{refused}</Empty>}
      {allowed && <div class="bar">
        <input class="in find" type="search" aria-label="Filter lines" placeholder="Filter lines" value={query.get('find') || ''} onInput={e => setQuery({ find: e.currentTarget.value })} />
        <label>At least <select class="in" aria-label="Level" value={levels[Math.max(0, least)]} onChange={e => setQuery({ level: e.currentTarget.value === 'debug' ? null : e.currentTarget.value })}>{levels.map(l => <option>{l}</option>)}</select></label>
        <label>Last <select class="in" aria-label="Lines" value={amount} onChange={e => setQuery({ lines: e.currentTarget.value })}>{['100', '300', '1000'].map(n => <option>{n}</option>)}</select> lines</label>
        <span class="grow" /><span class="quiet-ink">{paused ? 'held' : list.error ? 'not live' : 'live'}{lines && `, ${shown.length === lines.length ? plural(lines.length, 'line') : `${shown.length} of ${plural(lines.length, 'line')}`}`}</span>
      </div>}
      {list.error && <Banner>{list.error}</Banner>}
      {allowed && (!lines ? (!list.error && <Skeleton rows={8} />) : lines.length === 0 ? <Empty title="Nothing is written yet">{empty}</Empty> :
        shown.length === 0 ? <Empty title="No line fits">Filter for less, or look at more lines.</Empty> :
          <div class="card log" ref={box} tabIndex={0} role="log" aria-label={title} onScroll={e => { const b = e.currentTarget; follows.current = b.scrollTop + b.clientHeight >= b.scrollHeight - 24; }}>
            {shown.map(l => <div key={l.n} class={l.level}><time dateTime={l.at} title={l.at}>{l.at ? l.at.slice(5, 10) + ' ' + l.at.slice(11, 23) : ''}</time><b>{l.level}</b><span>{l.text}</span></div>)}
          </div>)}
    </>
  );
}

export function Logs({ c, query }: { c: Cluster; query: URLSearchParams }) {
  const { known, may } = useMay(c);
  return <Log path={`/leat/v1/clusters/${c.id}/logs`} file={`${c.id}.log`} title="Logs" lead="What the broker of this cluster wrote, oldest first. Records are never in it." query={query} known={known} allowed={may('cluster.operate')}
    empty="A broker that runs well says little: that it listens, and who is in control." refused="Who may operate the cluster (OrganizationAdmin, EnvironmentAdmin, CloudClusterAdmin, Operator) reads them." />;
}

export function ServiceLog({ query }: { query: URLSearchParams }) {
  const { known, may } = useMay();
  return <Log path="/leat/v1/logs" file="leatd.log" title="Log of the service" lead="What the service itself logged since it started, oldest first." query={query} known={known} allowed={may('cluster.operate')}
    empty="It says what it starts, and what does not go as it should." refused="OrganizationAdmin and Operator of the organization read the service's log." />;
}
