// Consumer groups: who is behind, by how much, and where.
import { useMemo, useState } from 'preact/hooks';
import { all, call, useGet } from '../api';
import { Spark, Trace } from '../charts';
import { count, duration, plural } from '../format';
import { known, type Values } from '../history';
import { sample, samples } from '../live';
import { useMay } from '../may';
import { OverTime, useLags } from '../over_time';
import { go, seg, setQuery } from '../router';
import type { Cluster, Group } from '../types';
import { ResetOverlay } from './reset';
import { Banner, Button, DeleteOverlay, Empty, Head, Section, Skeleton, Strip, Table, toast } from '../ui';

const stateWord = (s: string) => s.toLowerCase().replace(/_/g, ' ').replace('preparingrebalance', 'preparing rebalance').replace('completingrebalance', 'completing rebalance');
const sentences: Record<string, string> = {
  stable: 'Its members share the partitions and read.',
  empty: 'It has committed offsets but no member now, so nobody reads.',
  'preparing rebalance': 'Members are joining; reading pauses until they have.',
  'completing rebalance': 'Members wait for the leader to share out the partitions.',
  assigning: 'Its partitions are being shared out anew.',
  reconciling: 'Members are giving partitions back and taking over others.',
  dead: 'It is being removed.',
};
// Some lag is how reading looks; lag that nobody reads or that grows is worth amber.
const Behind = ({ n, care }: { n: number; care: boolean }) => <span class={`badge ${n > 0 && care ? 'warn' : n > 0 ? '' : 'none'}`}>{count(n)}</span>;
// How old the oldest record is that it has not read; a second or less is reading as it comes.
export const Age = ({ ms }: { ms: number | null }) => <span class={ms ? undefined : 'quiet-ink'}>{ms === null ? '–' : ms === 0 ? '0' : ms < 1000 ? '< 1 s' : duration(ms)}</span>;
const members = (g: Group): number => (Array.isArray(g.members) ? g.members.length : g.members ?? 0);
const key = (c: Cluster, id: string) => `lag/${c.id}/${id}`;

const figures = (g: Group) => [g.total_lag, g.time_lag_ms ?? NaN];

// Where lag goes: as this page saw it, and before it has seen enough, as the history has it.
function trend(c: Cluster, id: string, before: Values = []): string {
  const seen = samples(key(c, id)).slice(-20).map(x => x.values[0]);
  const s = seen.length < 6 ? known(before.slice(-10)) : seen;
  if (s.length < 6) return '';
  const mean = (a: number[]) => a.reduce((x, y) => x + y, 0) / a.length;
  const half = Math.floor(s.length / 2);
  const first = mean(s.slice(0, half));
  const d = mean(s.slice(half)) - first;
  return Math.abs(d) <= Math.max(5, first * 0.2) ? 'steady' : d > 0 ? 'growing' : 'shrinking';
}

const arrows: Record<string, string> = { growing: '↑', shrinking: '↓', steady: '–' };
const Trend = ({ word }: { word: string }) => (word ? <span class={word === 'growing' ? 'warn-ink' : 'quiet-ink'}><span aria-hidden="true">{arrows[word]}</span> {word}</span> : <span class="quiet-ink">watching…</span>);

export function Groups({ c, query }: { c: Cluster; query: URLSearchParams }) {
  const list = useGet<Group[]>(c.state.name === 'running' ? `/leat/v1/clusters/${c.id}/groups` : null, 2000, all);
  const lags = useLags(c.id, c.state.name === 'running');
  const find = (query.get('find') || '').toLowerCase();
  useMemo(() => { for (const g of list.value || []) sample(key(c, g.group_id), Date.now(), figures(g)); }, [list.value]);
  const rows = (list.value || []).filter(g => g.group_id.toLowerCase().includes(find)).sort((a, b) => b.total_lag - a.total_lag || a.group_id.localeCompare(b.group_id));
  const behind = rows.filter(g => g.total_lag > 0);
  return (
    <>
      <Head title="Groups" lead={list.value ? (behind.length ? `${plural(rows.length, 'group')}, ${count(behind.length)} behind. ${behind[0].group_id} is furthest behind, by ${plural(behind[0].total_lag, 'record')}.` : `${plural(rows.length, 'group')}, all in step.`) : ' '} />
      {list.error && <Banner>{list.error}</Banner>}
      {!list.value ? (!list.error && <Skeleton />) : list.value.length === 0 ? <Empty title="No group yet">A consumer group shows here as soon as a consumer joins it or commits an offset.</Empty> : <>
        <div class="bar"><input class="in find" type="search" placeholder="Filter groups" aria-label="Filter groups" value={query.get('find') || ''} onInput={e => setQuery({ find: e.currentTarget.value })} /></div>
        <Table label="Groups" rows={rows} rowKey={g => g.group_id} columns={[
          { title: 'Group', cell: g => <a class="name" href={`/clusters/${c.id}/groups/${seg(g.group_id)}`}>{g.group_id}</a> },
          { title: 'State', cell: g => stateWord(g.state) },
          { title: 'Members', num: true, cell: g => count(members(g)) },
          { title: 'Topics', narrow: 'p2', cell: g => g.topics.slice(0, 2).join(', ') + (g.topics.length > 2 ? ` and ${g.topics.length - 2} more` : '') },
          { title: 'Lag, 6 h', narrow: 'p3', cell: g => (lags.has(g.group_id) ? <Trace values={lags.get(g.group_id)!} /> : <Spark samples={samples(key(c, g.group_id))} />) },
          { title: 'Records behind', num: true, cell: g => <Behind n={g.total_lag} care={members(g) === 0 || trend(c, g.group_id, lags.get(g.group_id)) === 'growing'} /> },
          { title: 'Time lag', num: true, narrow: 'p3', cell: g => <Age ms={g.time_lag_ms} /> },
          { title: 'Trend', narrow: 'p2', cell: g => <Trend word={trend(c, g.group_id, lags.get(g.group_id))} /> },
        ]} /></>}
    </>
  );
}

// Above what lag and time lag the first rule of this group's fires.
type Rule = { watches: string; enabled: boolean; cluster_id: string | null; environment_id: string | null; resource: string; threshold: number };
function useThresholds(c: Cluster, id: string): { lag?: number; age?: number } {
  const { may } = useMay(c);
  const { value } = useGet<Rule[]>(may('alert.view') ? '/leat/v1/alert-rules' : null, 0, all);
  const mine = (r: Rule) => r.enabled && [null, c.id].includes(r.cluster_id) && [null, c.environment.id].includes(r.environment_id)
    && (!r.resource || (r.resource.endsWith('*') ? id.startsWith(r.resource.slice(0, -1)) : id === r.resource));
  const least = (watches: string) => (value || []).filter(r => r.watches === watches && r.threshold > 0 && mine(r)).map(r => r.threshold).sort((a, b) => a - b)[0];
  const seconds = least('time_lag');
  return { lag: least('lag'), age: seconds && seconds * 1000 };
}

export function GroupPage({ c, id, query }: { c: Cluster; id: string; query: URLSearchParams }) {
  const group = useGet<Group>(c.state.name === 'running' ? `/leat/v1/clusters/${c.id}/groups/${seg(id)}` : null, 2000);
  const [deleting, remove] = useState(false);
  const [resetting, reset] = useState(false);
  const alerts = useThresholds(c, id);
  const g = group.value;
  useMemo(() => g && sample(key(c, id), Date.now(), figures(g)), [g]);
  if (!g) return group.error ? <Empty title={group.error}><a href={`/clusters/${c.id}/groups`}>All groups</a></Empty> : <Skeleton />;
  const word = stateWord(g.state);
  const lags = g.lags || [];
  const n = members(g);
  return (
    <>
      {resetting && <ResetOverlay c={c} g={g} onClose={() => { reset(false); group.reload(); }} />}
      {deleting && <DeleteOverlay what="group" name={id} lost={[`the committed offsets of ${plural(lags.length, 'partition')}`, 'a consumer that comes back starts by its auto.offset.reset']} onClose={() => remove(false)}
        submit={async () => { await call('DELETE', `/leat/v1/clusters/${c.id}/groups/${seg(id)}`); toast(`Group ${id} is deleted.`); go(`/clusters/${c.id}/groups`); }} />}
      <Head title={id} mono lead={`${word[0].toUpperCase()}${word.slice(1)}. ${sentences[word] || ''} ${g.total_lag ? `It is ${plural(g.total_lag, 'record')} behind${trend(c, id) ? `, ${trend(c, id)}` : ''}.` : 'It is in step.'}`}
        actions={<><Button icon="again" disabled={lags.length === 0} onClick={() => reset(true)}>Reset offsets</Button><Button icon="trash" disabled={n > 0} title={n > 0 ? 'A group with members cannot be deleted' : undefined} onClick={() => remove(true)}>Delete</Button></>} />
      {group.error && <Banner>{group.error}</Banner>}
      <Strip items={[
        { label: 'Records behind', value: count(g.total_lag), note: trend(c, id) || ' ' },
        { label: 'Time lag', value: <Age ms={g.time_lag_ms} />, note: g.time_lag_ms ? 'age of its next record' : ' ' },
        { label: 'Worst partition', value: lags.length ? count(g.max_lag) : '–', note: lags.length ? `${g.worst_topic}, partition ${g.worst_partition}` : ' ' },
        { label: 'Members', value: count(n), note: g.protocol ? `assigned by ${g.protocol}` : 'none now' },
        { label: 'Partitions', value: count(lags.length), note: plural(new Set(lags.map(l => l.topic)).size, 'topic') },
      ]} />
      <OverTime cluster={c.id} name={id} query={query} only={`&consumer_group_id=${seg(id)}`} charts={['age', 'lag']} alerts={alerts} live={{ lag: { samples: samples(key(c, id)), order: [0] }, age: { samples: samples(key(c, id)), order: [1] } }}
        parts={new Set(lags.map(l => l.topic)).size < 2 ? [] : [{ by: 'topic', kind: 'lag', metric: 'consumer_lag_offsets', title: 'Topics by lag', note: 'records behind', column: 'Topic', sum: 'At the end', show: count, link: t => `/clusters/${c.id}/topics/${seg(t)}` }]} />
      <Section title="By partition">
        {lags.length === 0 ? <Empty title="No committed offset">The group has not committed an offset yet.</Empty> :
          <Table label="Lag by partition" rows={lags} rowKey={l => `${l.topic}/${l.partition}`} columns={[
            { title: 'Topic', cell: l => <a class="name" href={`/clusters/${c.id}/topics/${seg(l.topic)}`}>{l.topic}</a> },
            { title: 'Partition', num: true, cell: l => l.partition },
            { title: 'Committed', num: true, cell: l => <span class="mono">{count(l.current_offset)}</span> },
            { title: 'Next offset', num: true, cell: l => <span class="mono">{count(l.log_end_offset)}</span> },
            { title: 'Behind', num: true, cell: l => <Behind n={l.lag} care={!l.member_id || trend(c, id) === 'growing'} /> },
            { title: 'Time lag', num: true, cell: l => <Age ms={l.time_lag_ms} /> },
            { title: 'Member', narrow: 'p2', cell: l => l.member_id ? <><span class="mono">{l.client_id || l.member_id}</span><small class="mono">{l.client_host.replace(/^\//, '')}</small></> : <span class="quiet-ink">nobody</span> },
          ]} />}
      </Section>
    </>
  );
}
