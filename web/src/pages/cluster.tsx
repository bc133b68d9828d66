// A cluster's overview: how things stand, measured against what the plan allows.
import { useMemo, useState } from 'preact/hooks';
import { all, call, patch, post, useGet } from '../api';
import { Trace } from '../charts';
import { ago, bytes, count, duration, plural, rate, rateLimit, rateParts } from '../format';
import { flows, peak, sample, samples } from '../live';
import { InAndOut, useLags } from '../over_time';
import { useMay } from '../may';
import { go } from '../router';
import type { Cgroup, Cluster, Group } from '../types';
import { Banner, Button, Code, Copy, DeleteOverlay, Empty, Field, FormOverlay, Gauge, Head, Overlay, Section, State, Strip, Table, Tag, toast } from '../ui';
import { Age } from './groups';
import { CreateTopic } from './topics';

const CA_FILE = 'leat-ca.pem';
const caPath = (c: Cluster) => `/leat/v1/clusters/${c.id}/ca.pem`;

// What a client needs, by TLS (with the CA's file beside it) or in clear.
export function snippets(c: Cluster, tls: boolean): [string, string][] {
  const boot = tls && c.tls_bootstrap_servers ? c.tls_bootstrap_servers : c.bootstrap_servers;
  const security = tls ? 'SASL_SSL' : 'SASL_PLAINTEXT';
  const fetch: [string, string][] = tls ? [['CA', `curl -u KEY:SECRET -o ${CA_FILE} ${location.origin}${caPath(c)}`]] : [];
  return [
    ...fetch,
    ['kcat', `kcat -b ${boot} \\\n  -X security.protocol=${security} -X sasl.mechanism=PLAIN \\\n${tls ? `  -X ssl.ca.location=${CA_FILE} \\\n` : ''}  -X sasl.username=KEY -X sasl.password=SECRET \\\n  -t TOPIC -P`],
    ['Java', `bootstrap.servers=${boot}\nsecurity.protocol=${security}\n${tls ? `ssl.truststore.type=PEM\nssl.truststore.location=${CA_FILE}\n` : ''}sasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\\n  username="KEY" password="SECRET";`],
    ['Python', `from confluent_kafka import Producer\n\np = Producer({\n    "bootstrap.servers": "${boot}",\n    "security.protocol": "${security}",\n${tls ? `    "ssl.ca.location": "${CA_FILE}",\n` : ''}    "sasl.mechanism": "PLAIN",\n    "sasl.username": "KEY",\n    "sasl.password": "SECRET",\n})\np.produce("TOPIC", b"hello")\np.flush()`],
    ['Node', `${tls ? 'import { readFileSync } from "node:fs";\n' : ''}import { Kafka } from "kafkajs";\n\nconst kafka = new Kafka({\n  brokers: ["${boot}"],\n${tls ? `  ssl: { ca: [readFileSync("${CA_FILE}")] },\n` : ''}  sasl: { mechanism: "plain", username: "KEY", password: "SECRET" },\n});`],
  ];
}

function Connect({ c, onClose }: { c: Cluster; onClose: () => void }) {
  const [tls, setTls] = useState(!!c.tls_bootstrap_servers);
  const boot = tls ? c.tls_bootstrap_servers! : c.bootstrap_servers;
  return (
    <Overlay title={`Connect to ${c.display_name}`} onClose={onClose} drawer wide>
      <div class="dlg-body">
        {c.tls_bootstrap_servers && <Field label="Transport" help={tls ? 'Encrypted; the broker shows a certificate of this service\'s own CA.' : 'In clear: for networks that you trust.'}>{(id, d) => <select id={id} aria-describedby={d} class="in" value={tls ? 'tls' : 'plain'} onChange={e => setTls(e.currentTarget.value === 'tls')}><option value="tls">TLS</option><option value="plain">Plain</option></select>}</Field>}
        <dl class="kv">
          <dt>Bootstrap</dt><dd><span class="mono">{boot}</span><Copy text={boot} /></dd>
          <dt>Security</dt><dd class="mono">{tls ? 'SASL_SSL' : c.security_protocol}, {c.sasl_mechanisms.join(', ')}</dd>
          {tls && <><dt>CA certificate</dt><dd><a href={caPath(c)} download={CA_FILE}>{CA_FILE}</a></dd></>}
        </dl>
        <p class="lead">KEY and SECRET are a cluster key: <a href={`/clusters/${c.id}/access`}>make one under Access</a>. Its service account needs an ACL for what it does.</p><br />
        {snippets(c, tls).map(([label, text]) => <Code label={label} text={text} />)}
      </div>
    </Overlay>
  );
}

function Settings({ c, onClose, reload }: { c: Cluster; onClose: () => void; reload: () => void }) {
  const plans = useGet<{ data: { name: string }[] }>('/leat/v1/plans');
  const [plan, setPlan] = useState(c.plan);
  const [tag, setTag] = useState(c.tag);
  const submit = async () => { await patch(`/leat/v1/clusters/${c.id}`, { plan, tag }); toast('Saved.'); reload(); };
  return (
    <FormOverlay title="Settings" action="Save" onClose={onClose} submit={submit}>
      <Field label="Plan" help="Holds at once for the running broker.">{(id, d) => <select id={id} aria-describedby={d} class="in" value={plan} onChange={e => setPlan(e.currentTarget.value)}>{(plans.value?.data || [{ name: c.plan }]).map(p => <option value={p.name}>{p.name}</option>)}</select>}</Field>
      <Field label="Tag">{(id, d) => <select id={id} aria-describedby={d} class="in" value={tag} onChange={e => setTag(e.currentTarget.value)}>{['test', 'staging', 'production'].map(t => <option value={t}>{t}</option>)}</select>}</Field>
    </FormOverlay>
  );
}

function tightest(c: Cluster): string {
  const l = c.limits;
  const uses: [string, number, number][] = [
    ['storage', c.use.storage_bytes, l.storage_bytes], ['incoming bytes', c.use.ingress_bytes_per_s, l.ingress_bytes_per_s],
    ['outgoing bytes', c.use.egress_bytes_per_s, l.egress_bytes_per_s], ['partitions', c.use.partitions, l.partitions], ['connections', c.use.connections, l.connections],
  ];
  const shares = uses.filter(u => u[2] > 0).map(u => [u[0], u[1] / u[2]] as [string, number]).sort((a, b) => b[1] - a[1]);
  return shares.length ? `The tightest limit is ${shares[0][0]}, at ${shares[0][1] > 0 && shares[0][1] < 0.01 ? 'less than 1' : Math.round(shares[0][1] * 100)} %.` : 'No limit is set.';
}

function group(g: Cgroup): string {
  const parts = [
    g.memory_limit_bytes !== null && `${bytes(g.memory_bytes ?? 0)} of ${bytes(g.memory_limit_bytes)} of memory`,
    g.threads_limit !== null && `${g.threads} of ${g.threads_limit} threads`, g.cpu_weight !== null && `CPU weight ${g.cpu_weight}`,
  ].filter(Boolean);
  return `a control group (${parts.join(', ')})`;
}

function fences(i: NonNullable<Cluster['isolation']>): string {
  const held = [i.own_user && `a user of its own (${i.uid})`, i.no_new_privileges && 'no new privileges', i.no_capabilities && 'no capabilities', i.landlock_abi > 0 && `Landlock ${i.landlock_abi}`, i.seccomp && 'seccomp', i.rlimits && 'no core dumps', i.cgroup && group(i.cgroup)].filter(Boolean);
  return held.length ? held.join(', ') : 'none';
}

function Pause({ c, onClose, reload }: { c: Cluster; onClose: () => void; reload: () => void }) {
  const [reason, setReason] = useState('');
  const submit = async () => { await post(`/leat/v1/clusters/${c.id}:pause`, { reason }); toast(`${c.display_name} is paused.`); reload(); };
  return (
    <FormOverlay title={`Pause ${c.display_name}?`} action="Pause" drawer={false} onClose={onClose} submit={submit}>
      <ul class="steps"><li>its broker stops; it takes no memory and no CPU until it is resumed</li><li>clients of {c.bootstrap_servers} are cut off and try again until then</li><li>records, topics, keys and offsets stay as they are</li></ul>
      <Field label="Reason" help="Shown to everybody who looks at it; may be empty.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={reason} onInput={e => setReason(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

export function Overview({ c, query, reload }: { c: Cluster; query: URLSearchParams; reload: () => void }) {
  const groups = useGet<Group[]>(c.state.name === 'running' ? `/leat/v1/clusters/${c.id}/groups` : null, 3000, all);
  const lags = useLags(c.id, c.state.name === 'running');
  const audit = useGet<{ data: any[] }>(`/leat/v1/audit?cluster_id=${c.id}&page_size=8`, 10000);
  const { may } = useMay(c);
  const operate = may('cluster.operate'), manage = may('cluster.manage');
  const [open, show] = useState<'' | 'connect' | 'topic' | 'delete' | 'settings' | 'pause'>('');
  useMemo(() => sample(c.id, Date.now(), flows(c)), [c]);
  const behind = (groups.value || []).filter(g => g.total_lag > 0).sort((a, b) => b.total_lag - a.total_lag);
  const [inN, inU] = rateParts(c.use.ingress_bytes_per_s);
  const [outN, outU] = rateParts(c.use.egress_bytes_per_s);
  const running = c.state.name === 'running';
  const up = c.state.started_at ? duration(Date.now() - Date.parse(c.state.started_at)) : '';
  const say = running ? `Running for ${up}. ${tightest(c)} ${behind.length ? `${plural(behind.length, 'group is', 'groups are')} behind.` : ''}` : c.state.reason || 'Its broker is not running; clients cannot reach it.';
  const resume = async () => { try { await post(`/leat/v1/clusters/${c.id}:resume`); toast('The broker starts.'); reload(); } catch (e) { toast((e as Error).message); } };
  const restart = async () => { try { await post(`/leat/v1/clusters/${c.id}:restart`); toast('The broker restarts.'); reload(); } catch (e) { toast((e as Error).message); } };
  return (
    <>
      {open === 'connect' && <Connect c={c} onClose={() => show('')} />}
      {open === 'settings' && <Settings c={c} onClose={() => show('')} reload={reload} />}
      {open === 'topic' && <CreateTopic c={c} onClose={() => show('')} />}
      {open === 'delete' && <DeleteOverlay what="cluster" name={c.display_name} onClose={() => show('')}
        lost={[`${plural(c.use.topics, 'topic')} and ${bytes(c.use.storage_bytes)} of records`, 'its keys, ACLs and quotas', `every client of ${c.bootstrap_servers} is cut off`]}
        submit={async () => { await call('DELETE', `/cmk/v2/clusters/${c.id}?environment=${c.environment.id}`); toast(`Cluster ${c.display_name} is deleted.`); go('/'); }} />}
      <Head title={c.display_name} side={<><State name={c.state.name} /><Tag tag={c.tag} /></>} lead={say}
        actions={<><Button icon="plug" onClick={() => show('connect')}>Connect</Button>{manage && <Button icon="pencil" onClick={() => show('settings')}>Settings</Button>}{may('topic.manage') && <Button kind="primary" icon="plus" onClick={() => show('topic')}>Create topic</Button>}</>} />
      {open === 'pause' && <Pause c={c} onClose={() => show('')} reload={reload} />}
      {c.paused && <Banner kind="info"><b>Paused {ago(c.paused.at)}.</b> {c.paused.reason ? `${c.paused.reason}. ` : ''}Clients cannot reach it; what it holds stays. {operate && <Button kind="small" icon="play" onClick={resume}>Resume</Button>}</Banner>}
      {!running && !c.paused && c.state.reason && <Banner kind={c.state.name === 'waiting_port' ? 'warn' : 'bad'}><b>The broker is not running.</b> {c.state.reason}. {operate && <Button kind="small" icon="restart" onClick={restart}>Start now</Button>}</Banner>}
      {running && c.storage.state !== 'open' && <Banner kind={c.storage.state === 'at_limit' ? 'bad' : 'warn'}><b>No records are taken.</b> {c.storage.reason}.</Banner>}
      {c.format.upgrade_to_confirm && c.format.written !== null && <Banner kind="info"><b>Its upgrade is not confirmed.</b> Until it is, the version before can open its files again; afterwards they are written in format {c.format.newest}, which that refuses. <a href={`/clusters/${c.id}/processes`}>Confirm it under Processes</a></Banner>}
      {c.damage.partitions > 0 && <Banner kind="bad"><b>{plural(c.damage.partitions, 'partition has', 'partitions have')} damaged files.</b> What was not hit is served. <a href={`/clusters/${c.id}/processes`}>What to do</a>
        <ul class="plain">{c.damage.first.map(d => <li key={`${d.topic_name}-${d.partition_id}`}><b>{d.topic_name}</b>, partition {d.partition_id}{d.offline ? ' (offline)' : ''}: {d.reason}.</li>)}</ul></Banner>}
      {c.acknowledged_version >= 0 && c.acknowledged_version < c.metadata_version && <Banner kind="info"><b>A change is on its way.</b> The broker has version {c.acknowledged_version} of {c.metadata_version}.</Banner>}
      <Strip items={[
        { label: 'Topics', value: count(c.use.topics), note: plural(c.use.partitions, 'partition') },
        { label: 'Connections', value: count(c.use.connections), note: `${count(c.use.requests_per_s)} requests/s` },
        { label: 'In', value: <>{inN} <span class="unit">{inU}</span></>, note: `${count(c.use.records_in_per_s)} records/s` },
        { label: 'Out', value: <>{outN} <span class="unit">{outU}</span></>, note: `${count(c.use.records_out_per_s)} records/s` },
        { label: 'Stored', value: bytes(c.use.storage_bytes), note: 'every record once' },
        { label: 'Broker memory', value: bytes(c.use.memory_bytes), note: `${duration(c.use.cpu_ms)} of CPU` },
      ]} />
      <div class="two">
        <InAndOut cluster={c.id} query={query} samples={samples(c.id)} limits={[c.limits.ingress_bytes_per_s, c.limits.egress_bytes_per_s]} height={216} all={`/clusters/${c.id}/metrics`} />
        <Section title="Use against limits" side={<a href={`/clusters/${c.id}/limits`}>Plan {c.plan}</a>}>
          <div class="card pad">
            <Gauge label="Storage" use={c.use.storage_bytes} limit={c.limits.storage_bytes} show={bytes} />
            <Gauge label="In" use={c.use.ingress_bytes_per_s} limit={c.limits.ingress_bytes_per_s} show={rate} bound={rateLimit} peak={peak(c.id, 0)} />
            <Gauge label="Out" use={c.use.egress_bytes_per_s} limit={c.limits.egress_bytes_per_s} show={rate} bound={rateLimit} peak={peak(c.id, 1)} />
            <Gauge label="Partitions" use={c.use.partitions} limit={c.limits.partitions} show={count} />
            <Gauge label="Connections" use={c.use.connections} limit={c.limits.connections} show={count} peak={peak(c.id, 2)} />
          </div>
        </Section>
      </div>
      <div class="two">
        <Section title="Groups furthest behind" side={<a href={`/clusters/${c.id}/groups`}>{groups.value?.length ? `All ${plural(groups.value.length, 'group')}` : 'Groups'}</a>}>
          {behind.length ? <Table label="Groups furthest behind" rows={behind.slice(0, 6)} rowKey={g => g.group_id} columns={[
            { title: 'Group', cell: g => <a class="name" href={`/clusters/${c.id}/groups/${encodeURIComponent(g.group_id)}`}>{g.group_id}</a> },
            { title: 'Topic', narrow: 'p2', cell: g => g.worst_topic },
            { title: 'Lag, 6 h', narrow: 'p3', cell: g => <Trace values={lags.get(g.group_id) || []} /> },
            { title: 'Records behind', num: true, cell: g => count(g.total_lag) },
            { title: 'Time lag', num: true, cell: g => <Age ms={g.time_lag_ms} /> },
          ]} /> : <Empty title={groups.value?.length ? 'Every group is in step' : 'No group has committed an offset yet'}>Lag shows here as soon as a consumer group falls behind.</Empty>}
        </Section>
        <Section title="Recent changes" side={<a href={`/clusters/${c.id}/audit`}>Audit</a>}>
          <ul class="card events">{(audit.value?.data || []).map(a => <li><time dateTime={a.at} title={a.at}>{new Date(a.at).toLocaleTimeString('en-GB').slice(0, 5)}</time><span>{a.operation.replace(/[._]/g, ' ')}<small>{a.resource} by {a.actor}, {ago(a.at)}</small></span></li>)}{audit.value?.data.length === 0 && <li class="quiet-ink only">Changes made here, by REST or by the command line are listed as they happen.</li>}</ul>
        </Section>
      </div>
      <Section title="This cluster"><div class="card pad"><dl class="kv">
        <dt>Id</dt><dd><span class="mono">{c.id}</span><Copy text={c.id} /></dd>
        <dt>Bootstrap</dt><dd><span class="mono">{c.bootstrap_servers}</span><Copy text={c.bootstrap_servers} /></dd>
        <dt>Environment</dt><dd>{c.environment.display_name}</dd><dt>Process</dt><dd>{c.state.pid ?? 'none'}, {plural(c.state.restarts, 'restart')}</dd>
              {c.isolation && <><dt>Fences</dt><dd><div>{fences(c.isolation)}{c.isolation.missing.map(m => <span class="why">{m}</span>)}</div></dd></>}
      </dl>{operate && !c.paused && <><Button icon="restart" onClick={restart}>Restart broker</Button> <Button icon="pause" onClick={() => show('pause')}>Pause</Button></>} {manage && <Button icon="trash" onClick={() => show('delete')}>Delete cluster</Button>}</div></Section>
    </>
  );
}
