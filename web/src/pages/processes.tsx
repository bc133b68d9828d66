// The processes of a cluster: what they use, what fences them, the format of their files, and their restarts.
import { useRef, useState } from 'preact/hooks';
import { post, useGet } from '../api';
import { ago, bytes, count, dateTime, duration, plural } from '../format';
import { useMay } from '../may';
import type { Cgroup, Cluster } from '../types';
import { Banner, Button, Bytes, Empty, Field, FormOverlay, Gauge, Head, Section, Skeleton, State, Strip, Table, toast } from '../ui';

export type Process = {
  id: string; role: 'leatd' | 'broker' | 'demo'; state: string; pid: number | null; started_at: string | null; restarts: number; cpu_ms: number;
  memory_rss_bytes: number; memory_pss_bytes: number | null; threads: number | null; open_files: number | null; disk_bytes: number | null; disk_files: number | null;
  turns_over_1ms: number | null; turns_over_10ms: number | null; longest_turn_us: number | null;
};
type Asked = '' | 'restart' | 'pause' | 'upgrade' | 'confirm';
const roles: Record<string, string> = { broker: 'Kafka broker', demo: 'demo load' };

// CPU in use between this answer and the one before; null while there is but one.
export function useCpu(rows: Process[] | undefined): Map<string, number | null> {
  const before = useRef<{ rows?: Process[]; at: number; shown: Map<string, number | null> }>({ at: 0, shown: new Map() });
  if (rows && rows !== before.current.rows) {
    const now = performance.now(), past = before.current;
    const shown = new Map(rows.map(p => {
      const old = past.rows?.find(o => o.id === p.id && o.pid === p.pid);
      return [p.id, old && now > past.at ? Math.max(0, p.cpu_ms - old.cpu_ms) / (now - past.at) : null] as [string, number | null];
    }));
    before.current = { rows, at: now, shown };
  }
  return before.current.shown;
}
export const share = (n: number | null | undefined) => (n === null || n === undefined ? '–' : `${(n * 100).toFixed(n < 0.1 ? 1 : 0)} %`);

// How long the event loop kept clients waiting at worst.
export const turns = (p?: Process) => (!p || p.longest_turn_us === null ? '–' : `${(p.longest_turn_us / 1000).toFixed(p.longest_turn_us < 10000 ? 1 : 0)} ms`);
export const turnsNote = (p?: Process) => (!p || p.turns_over_10ms === null ? 'not told yet' : `${count(p.turns_over_10ms)} over 10 ms`);

// --- what may be done -----------------------------------------------------------------------------------------------
function Ask({ what, c, onClose, reload }: { what: Asked; c: Cluster; onClose: () => void; reload: () => void }) {
  const [reason, setReason] = useState('');
  const texts: Record<string, [string, string, string[], string]> = {
    restart: [`Restart the broker of ${c.display_name}?`, 'Restart', ['clients are cut off and connect again by themselves, mostly within a second', 'nothing that was acknowledged is lost'], 'The broker restarts.'],
    pause: [`Pause ${c.display_name}?`, 'Pause', ['its processes end; it takes no memory and no CPU until it is resumed', `clients of ${c.bootstrap_servers} cannot reach it until then`, 'records, topics, keys and offsets stay as they are'], `${c.display_name} is paused.`],
    upgrade: [`Move ${c.display_name} to the installed program?`, 'Upgrade', ['its broker starts anew as the program that is installed now; when it runs that already, nothing happens', 'files stay in their format until the upgrade is confirmed, so the version before can open them'], ''],
    confirm: [`Confirm the upgrade of ${c.display_name}?`, 'Confirm the upgrade', [`its files are written in format ${c.format.newest} from now on`, 'the version of Leat before this one cannot open them any more: there is no way back'], 'The upgrade is confirmed.'],
  };
  const [title, action, steps, said] = texts[what];
  const submit = async () => {
    const was = c.state.pid;
    const now: Cluster | null = await post(`/leat/v1/clusters/${c.id}:${what === 'confirm' ? 'confirm-upgrade' : what}`, what === 'pause' ? { reason } : undefined);
    toast(said || (now?.state.name === 'running' && now.state.pid === was ? 'It runs the installed program already.' : 'The broker starts as the installed program.'));
    reload();
  };
  return (
    <FormOverlay title={title} action={action} drawer={false} danger={what === 'confirm'} onClose={onClose} submit={submit}>
      <ul class={what === 'confirm' ? 'lost' : 'steps'}>{steps.map(s => <li>{s}</li>)}</ul>
      {what === 'pause' && <Field label="Reason" help="Shown to everybody who looks at it; may be empty.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={reason} onInput={e => setReason(e.currentTarget.value)} />}</Field>}
    </FormOverlay>
  );
}

// --- fences -----------------------------------------------------------------------------------------------------------
function Group({ g }: { g: Cgroup }) {
  return (
    <>
      {g.out_of_memory !== null && g.out_of_memory > 0 && <Banner><b>The kernel ended it {plural(g.out_of_memory, 'time')} for its memory.</b> Its plan allows {bytes(g.memory_limit_bytes)}: a plan with more memory, fewer partitions or fewer connections help. It started again each time.</Banner>}
      <div class="card pad"><div class="gauges">
        {g.memory_limit_bytes !== null && <Gauge label="Memory, with cached files" use={g.memory_bytes ?? 0} limit={g.memory_limit_bytes} show={bytes} percent />}
        {g.threads_limit !== null && <Gauge label="Threads" use={g.threads ?? 0} limit={g.threads_limit} show={count} />}
      </div><dl class="kv more">
        <dt>Ended for memory</dt><dd>{g.out_of_memory === null ? 'not counted on this machine' : g.out_of_memory === 0 ? 'never' : plural(g.out_of_memory, 'time')}</dd>
        <dt>CPU weight</dt><dd>{g.cpu_weight === null ? 'not set' : `${g.cpu_weight}, its share when processors are short (100 is the usual one)`}</dd>
        <dt>Control group</dt><dd>version {g.version}</dd>
      </dl></div>
    </>
  );
}

function Isolation({ c }: { c: Cluster }) {
  const i = c.isolation;
  if (!i) return <Section title="Isolation"><Empty title="No process, no fences">What fences the broker from the machine and from other clusters is asked of the kernel while it runs.</Empty></Section>;
  const rows: [string, boolean, string][] = [
    ['A user of its own', i.own_user, `uid ${i.uid}; no other cluster may read its files`], ['No new privileges', i.no_new_privileges, 'nothing it starts gets more than it has'],
    ['No capabilities', i.no_capabilities, 'nothing that only root may do'], ['Landlock', i.landlock_abi > 0, i.landlock_abi > 0 ? `version ${i.landlock_abi}; only its own folder is there for it` : 'it sees more than its own folder'],
    ['seccomp', i.seccomp, 'only the system calls that a broker needs'], ['No core dumps', i.rlimits, 'records would be in them; files have a bounded size'],
    ['Control group', !!i.cgroup, i.cgroup ? 'memory, threads and its share of processors' : 'memory and threads are bounded by the broker itself alone'],
  ];
  const stand = rows.filter(r => r[1]).length;
  return (
    <Section title="Isolation" note={stand === rows.length ? 'every fence stands, as the kernel says' : `${stand} of ${rows.length} fences stand, as the kernel says`}>
      {i.cgroup && <><Group g={i.cgroup} /><br /></>}
      <Table label="Fences" rows={rows} rowKey={r => r[0]} columns={[
        { title: 'Fence', cell: r => r[0] }, { title: '', cell: r => <span class={`badge ${r[1] ? '' : 'warn'}`}>{r[1] ? 'stands' : 'missing'}</span> }, { title: 'What it does', cell: r => <span class="fold">{r[2]}</span> },
      ]} />
      {i.missing.length > 0 && <><br /><Banner kind="info"><b>What is missing.</b><ul class="plain">{i.missing.map(m => <li>{m}.</li>)}</ul></Banner></>}
    </Section>
  );
}

// --- damage -----------------------------------------------------------------------------------------------------------
const Damage = ({ c }: { c: Cluster }) => (
  <Section title="Damaged partitions" note={c.damage.partitions > c.damage.first.length ? `the first ${c.damage.first.length} of ${c.damage.partitions}` : undefined}>
    <Table label="Damaged partitions" rows={c.damage.first} rowKey={d => `${d.topic_name}/${d.partition_id}`} columns={[
      { title: 'Topic', cell: d => <a class="name" href={`/clusters/${c.id}/topics/${encodeURIComponent(d.topic_name)}`}>{d.topic_name}</a> },
      { title: 'Partition', num: true, cell: d => d.partition_id },
      { title: 'State', cell: d => <span class={`badge ${d.offline ? 'bad' : 'warn'}`}>{d.offline ? 'offline' : 'served in part'}</span> },
      { title: 'What is wrong', cell: d => <span class="fold">{d.reason}</span> },
    ]} /><br />
    <Banner kind="warn"><b>What to do.</b><ul class="plain">
      <li>Look at the disk first (kernel log, SMART, file system): damage mostly comes from there and spreads.</li>
      <li>Change nothing by hand in the data folder. What was not hit is served; of an offline partition nothing is.</li>
      <li>Restore a backup of before the damage <a href={`/clusters/${c.id}/backups`}>under a new id</a>, and copy what is missing from it.</li>
      <li>Damage is gone with its records: when retention drops them, kafka-delete-records does, or the topic is deleted.</li>
    </ul></Banner>
  </Section>
);

export function Processes({ c, reload }: { c: Cluster; reload: () => void }) {
  const [asked, ask] = useState<Asked>('');
  const list = useGet<{ data: Process[] }>(`/leat/v1/clusters/${c.id}/processes`, 3000);
  const cpu = useCpu(list.value?.data);
  const { known, may } = useMay(c);
  const rows = list.value?.data || [];
  const broker = rows.find(p => p.role === 'broker');
  const operate = may('cluster.operate');
  const resume = async () => { try { await post(`/leat/v1/clusters/${c.id}:resume`); toast('The broker starts.'); reload(); } catch (e) { toast((e as Error).message); } };
  const away = c.state.name !== 'running';
  return (
    <>
      {asked && <Ask what={asked} c={c} onClose={() => ask('')} reload={() => { reload(); list.reload(); }} />}
      <Head title="Processes" side={<State name={c.state.name} />} lead="A broker of its own for this cluster, started and watched by the service: when it ends unasked, it is started again."
        actions={operate && (c.paused ? <Button kind="primary" icon="play" onClick={resume}>Resume</Button> : <>
          <Button icon="pause" onClick={() => ask('pause')}>Pause</Button><Button icon="down" onClick={() => ask('upgrade')}>Upgrade</Button><Button kind="primary" icon="restart" onClick={() => ask('restart')}>{away ? 'Start now' : 'Restart'}</Button></>)} />
      {known && !operate && <p class="help">Your roles let you look. Who may operate the cluster (OrganizationAdmin, EnvironmentAdmin, CloudClusterAdmin, Operator) restarts, pauses and upgrades it here.</p>}
      {c.paused && <Banner kind="info"><b>Paused {ago(c.paused.at)}.</b> {c.paused.reason ? `${c.paused.reason}. ` : ''}What it holds stays.</Banner>}
      {away && !c.paused && c.state.reason && <Banner kind={c.state.name === 'waiting_port' ? 'warn' : 'bad'}><b>The broker is not running.</b> {c.state.reason}.</Banner>}
      {c.format.upgrade_to_confirm && c.format.written !== null && <Banner kind="info"><b>Its upgrade is not confirmed.</b> Its files are kept in format {c.format.written}, which the version before can open; this one knows format {c.format.newest}. {operate && <Button kind="small" onClick={() => ask('confirm')}>Confirm the upgrade</Button>}</Banner>}
      <Strip items={[
        { label: 'Process', value: c.state.pid ?? '–', note: c.state.started_at && !away ? `for ${duration(Date.now() - Date.parse(c.state.started_at))}` : 'not running' },
        { label: 'Restarts', value: count(c.state.restarts), note: 'asked for or not' },
        { label: 'CPU', value: share(broker && cpu.get(broker.id)), note: broker ? `${duration(broker.cpu_ms)} in all` : undefined },
        { label: 'Memory', value: <Bytes n={broker ? broker.memory_pss_bytes ?? broker.memory_rss_bytes : null} />, note: broker?.memory_pss_bytes ? 'its share of it' : 'resident' },
        { label: 'Longest loop turn', value: turns(broker), note: turnsNote(broker) },
        { label: 'Disk', value: <Bytes n={broker?.disk_bytes} />, note: broker?.disk_files !== null && broker ? plural(broker.disk_files!, 'file') : undefined },
      ]} />
      {list.error && <Banner>{list.error}</Banner>}
      {!list.value ? (!list.error && <Skeleton rows={2} />) : rows.length === 0 ? <Empty title="No process">{c.paused ? 'A paused cluster has none; Resume starts it.' : 'The service has not started it yet.'}</Empty> :
        <Table label="Processes" rows={rows} rowKey={p => p.id} columns={[
          { title: 'Process', cell: p => <>{roles[p.role] || p.role}<small class="mono">{p.id}</small></> },
          { title: 'State', cell: p => <State name={p.state} /> },
          { title: 'PID', num: true, cell: p => p.pid ?? '–' },
          { title: 'Up for', cell: p => (p.started_at && p.pid ? <span title={dateTime(p.started_at)}>{duration(Date.now() - Date.parse(p.started_at))}</span> : '–') },
          { title: 'Restarts', num: true, narrow: 'p2', cell: p => count(p.restarts) },
          { title: 'CPU', num: true, cell: p => share(cpu.get(p.id)) },
          { title: 'Resident', num: true, cell: p => <Bytes n={p.memory_rss_bytes} /> },
          { title: 'Own share', num: true, narrow: 'p3', cell: p => <Bytes n={p.memory_pss_bytes} /> },
          { title: 'Threads', num: true, narrow: 'p3', cell: p => count(p.threads) },
          { title: 'Open files', num: true, narrow: 'p3', cell: p => count(p.open_files) },
        ]} />}
      {c.damage.partitions > 0 && <Damage c={c} />}
      <div class="two"><div><Isolation c={c} /></div><div>
        <Section title="Last unasked end"><div class="card pad">{c.state.last_end ? <>{c.state.last_end.reason}<br /><span class="quiet-ink" title={dateTime(c.state.last_end.at)}>{ago(c.state.last_end.at)}; its last words are in the <a href={`/clusters/${c.id}/logs`}>log</a></span></> : <span class="quiet-ink">It has not ended unasked.</span>}</div></Section><br />
        <Section title="Program and format"><div class="card pad"><dl class="kv">
          <dt>Program</dt><dd>{c.program || 'not running'}</dd>
          <dt>Files written</dt><dd>{c.format.written === null ? 'not known while it is away' : `in format ${c.format.written}`}</dd>
          <dt>Confirmed</dt><dd>format {c.format.confirmed}</dd><dt>Newest</dt><dd>format {c.format.newest}</dd>
        </dl><p class="help">{c.format.upgrade_to_confirm ? 'Confirm when nobody wants the version before any more.' : 'Nothing is to be confirmed.'}</p></div></Section>
      </div></div>
    </>
  );
}
