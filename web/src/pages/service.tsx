// The service itself: its version, starting all clusters anew, a copy of its database, the CA it signs with.
import { useState } from 'preact/hooks';
import { all, post, useGet } from '../api';
import { ago, bytes, count, dateTime, duration, plural } from '../format';
import { useMay } from '../may';
import type { Cluster } from '../types';
import { Banner, Button, Bytes, Copy, Empty, FormOverlay, Gauge, Head, Section, Skeleton, State, Strip, Table, toast } from '../ui';
import { share, turns, turnsNote, useCpu, type Process } from './processes';

type Info = { version: string; kafka_version: string; organization_id: string };
type Rolling = { phase: 'NONE' | 'RUNNING' | 'DONE' | 'FAILED'; clusters: number; restarted: number; cluster_id: string | null; reason: string; started_at: string | null; finished_at: string | null };
type Authority = { certificate: string; subject: string; sha256_fingerprint: string; not_before: string; not_after: string };
type Copied = { path: string; bytes: number; created_at: string | null };
// The service's own process.
function Itself() {
  const list = useGet<{ data: Process[] }>('/leat/v1/processes', 3000);
  const cpu = useCpu(list.value?.data);
  const p = list.value?.data[0];
  if (list.error) return <Banner>{list.error}</Banner>;
  return (
    <Strip items={[
      { label: 'Process', value: p?.pid ?? '–', note: p?.started_at ? `for ${duration(Date.now() - Date.parse(p.started_at))}` : undefined },
      { label: 'CPU', value: share(p && cpu.get(p.id)), note: p && `${duration(p.cpu_ms)} in all` },
      { label: 'Memory', value: <Bytes n={p?.memory_rss_bytes} />, note: 'resident' },
      { label: 'Threads', value: count(p?.threads), note: p?.open_files !== null && p ? plural(p.open_files, 'open file') : undefined },
      { label: 'Longest loop turn', value: turns(p), note: turnsNote(p) },
    ]} />
  );
}

// Every broker, the largest first.
const SHOWN = 50;
function Brokers({ clusters }: { clusters: Cluster[] }) {
  const [more, show] = useState(SHOWN);
  const rows = [...clusters].sort((a, b) => b.use.memory_bytes - a.use.memory_bytes);
  return (
    <Section title="Brokers" note={`${plural(rows.length, 'cluster')}, by memory`}>
      <Table label="Brokers" rows={rows.slice(0, more)} rowKey={c => c.id} columns={[
        { title: 'Cluster', cell: c => <a class="name" href={`/clusters/${c.id}/processes`}>{c.display_name}</a> },
        { title: 'State', cell: c => <State name={c.state.name} reason={c.state.reason} /> },
        { title: 'PID', num: true, cell: c => c.state.pid ?? '–' },
        { title: 'Up for', cell: c => (c.state.started_at && c.state.pid ? <span title={dateTime(c.state.started_at)}>{duration(Date.now() - Date.parse(c.state.started_at))}</span> : '–') },
        { title: 'Restarts', num: true, cell: c => count(c.state.restarts) },
        { title: 'Memory', num: true, cell: c => <Bytes n={c.use.memory_bytes} /> },
        { title: 'CPU in all', num: true, narrow: 'p2', cell: c => duration(c.use.cpu_ms) },
        { title: 'Last unasked end', narrow: 'p3', cell: c => (c.state.last_end ? <span class="fold">{c.state.last_end.reason}<small title={dateTime(c.state.last_end.at)}>{ago(c.state.last_end.at)}</small></span> : <span class="quiet-ink">none</span>) },
      ]} />
      {rows.length > more && <><br /><Button onClick={() => show(more + 200)}>Show more</Button></>}
    </Section>
  );
}

const fail = (e: unknown) => toast((e as Error).message);

function Progress({ r, clusters }: { r: Rolling; clusters: Cluster[] }) {
  const at = clusters.find(c => c.id === r.cluster_id);
  const name = at ? <a href={`/clusters/${at.id}/processes`}>{at.display_name}</a> : r.cluster_id;
  const took = r.started_at && r.finished_at ? duration(Date.parse(r.finished_at) - Date.parse(r.started_at)) : '';
  if (r.phase === 'NONE') return <Empty title="No rolling restart yet">After an installation of another version it moves every broker to it, one at a time: the next one starts anew when the last one serves.</Empty>;
  return (
    <div class="card pad">
      <Gauge label={r.phase === 'RUNNING' ? 'Started anew' : r.phase === 'DONE' ? 'All were started anew' : 'Started anew before it stopped'} use={r.restarted} limit={r.clusters} show={String} idle={r.phase !== 'RUNNING'} />
      {r.phase === 'RUNNING' && <p class="help" role="status">{name ? <>Now {name}. </> : ''}Begun {ago(r.started_at)}.</p>}
      {r.phase === 'DONE' && <p class="help">Ended {ago(r.finished_at)}, after {took}.</p>}
      {r.phase === 'FAILED' && <><br /><Banner><b>It stopped at {name}.</b> {r.reason}. The clusters after it run as they were. See its <a href={`/clusters/${r.cluster_id}/logs`}>log</a>, then start again.</Banner></>}
    </div>
  );
}

// Which brokers run, and as what: an older program than the installed one shows at once.
function Programs({ clusters, operate }: { clusters: Cluster[]; operate: boolean }) {
  const word = (c: Cluster) => c.program || 'not running';
  const names = [...new Set(clusters.map(word))].sort();
  const waiting = clusters.filter(c => c.format.upgrade_to_confirm && c.format.written !== null);
  return (
    <>
      <Table label="Programs" rows={names} rowKey={n => n} columns={[
        { title: 'Program of brokers', cell: n => n },
        { title: 'Clusters', num: true, cell: n => clusters.filter(c => word(c) === n).length },
        { title: 'Which', cell: n => <span class="fold">{clusters.filter(c => word(c) === n).slice(0, 5).map((c, i) => <>{i > 0 && ', '}<a href={`/clusters/${c.id}/processes`}>{c.display_name}</a></>)}{clusters.filter(c => word(c) === n).length > 5 && ' and more'}</span> },
      ]} />
      {waiting.length > 0 && <><br /><Banner kind="info"><b>{plural(waiting.length, 'cluster waits', 'clusters wait')} for a confirmed upgrade.</b> {operate ? 'Confirm each on its Processes page: ' : ''}{waiting.slice(0, 10).map((c, i) => <>{i > 0 && ', '}<a href={`/clusters/${c.id}/processes`}>{c.display_name}</a></>)}.</Banner></>}
    </>
  );
}

export function Service() {
  const { known, may } = useMay();
  const operate = may('cluster.operate'), manage = may('cluster.manage');
  const info = useGet<Info>('/leat/v1/info');
  const rolling = useGet<Rolling>(operate ? '/leat/v1/clusters:rolling-restart' : null, 2000);
  const clusters = useGet<Cluster[]>('/leat/v1/clusters', 5000, all);
  const ca = useGet<Authority>('/leat/v1/certificate-authority');
  const [asks, ask] = useState(false);
  const [busy, setBusy] = useState(false);
  const [copied, setCopied] = useState<Copied | null>(null);
  const copy = async () => { setBusy(true); try { setCopied(await post<Copied>('/leat/v1/database:backup')); } catch (e) { fail(e); } finally { setBusy(false); } };
  const away = (clusters.value || []).filter(c => c.state.name !== 'running' && c.state.name !== 'paused');
  return (
    <>
      {asks && <FormOverlay title="Start every cluster anew?" action="Start anew, one at a time" drawer={false} onClose={() => ask(false)} submit={async () => { await post('/leat/v1/clusters:rolling-restart'); toast('The rolling restart has begun.'); rolling.reload(); }}>
        <ul class="steps"><li>one cluster after the other, onto the program that is installed now; clients of each are cut off for a moment</li><li>it stops at a cluster that does not serve again within two minutes, and says so here</li><li>paused clusters stay paused</li></ul>
      </FormOverlay>}
      <Head title="Service" lead="The program that looks after all clusters, and what concerns all of them." actions={operate && <a class="btn" href="/service/log">Log</a>} />
      {known && !operate && <Banner kind="info">Your roles let you look at versions and the CA. OrganizationAdmin and Operator of the organization restart all clusters from here.</Banner>}
      {away.length > 0 && <Banner><b>{plural(away.length, 'broker is', 'brokers are')} not running.</b><ul class="plain">{away.slice(0, 8).map(c => <li><a href={`/clusters/${c.id}/processes`}>{c.display_name}</a> <State name={c.state.name} reason={c.state.reason} /></li>)}</ul></Banner>}
      {may('metrics.view') && <Itself />}
      <Section title="Versions">
        {(info.error || clusters.error) && <Banner>{info.error || clusters.error}</Banner>}
        {info.value && <div class="card pad"><dl class="kv"><dt>Leat</dt><dd>{info.value.version}</dd><dt>Kafka</dt><dd>{info.value.kafka_version}</dd><dt>Organization</dt><dd><span class="mono">{info.value.organization_id}</span><Copy text={info.value.organization_id} /></dd></dl></div>}
        <br />{!clusters.value ? (!clusters.error && <Skeleton rows={2} />) : clusters.value.length > 0 && <Programs clusters={clusters.value} operate={operate} />}
      </Section>
      {clusters.value && clusters.value.length > 0 && <Brokers clusters={clusters.value} />}
      {operate && <Section title="Rolling restart" side={<Button icon="restart" onClick={() => ask(true)} disabled={rolling.value?.phase === 'RUNNING'}>Start every cluster anew</Button>}>
        {rolling.error && <Banner>{rolling.error}</Banner>}
        {!rolling.value ? (!rolling.error && <Skeleton rows={2} />) : <Progress r={rolling.value} clusters={clusters.value || []} />}
      </Section>}
      {manage && <Section title="Database of the service" note="accounts, keys, plans, ACLs and the audit; records are in the backups of clusters" side={<Button icon="copy" onClick={copy} disabled={busy}>{busy ? 'Copying…' : 'Copy it now'}</Button>}>
        <div class="card pad">{copied ? <p role="status">{bytes(copied.bytes)} lie in <span class="mono wrap">{copied.path}</span> <Copy text={copied.path} />. To go back to it, stop the service and put it in place of leat.db.</p>
          : <span class="quiet-ink">A copy of it is made while all goes on, into the backups folder of the service; the newest five stay.</span>}</div>
      </Section>}
      <Section title="Certificate authority" note="signs what clusters show to clients by TLS" side={ca.value && <Copy text={ca.value.certificate} label="Copy as PEM" />}>
        {ca.error && <Banner>{ca.error}</Banner>}
        {!ca.value ? (!ca.error && <Skeleton rows={2} />) : <div class="card pad"><dl class="kv"><dt>Subject</dt><dd>{ca.value.subject}</dd><dt>Fingerprint</dt><dd><span class="mono wrap">{ca.value.sha256_fingerprint}</span></dd><dt>Valid</dt><dd>{dateTime(ca.value.not_before)} to {dateTime(ca.value.not_after)}</dd></dl></div>}
      </Section>
    </>
  );
}
