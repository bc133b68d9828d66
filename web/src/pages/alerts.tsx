// Alerts: what fires and what has fired, the rules, whom it is told, and when nothing is sent.
import { useState } from 'preact/hooks';
import { all, del, get, patch, post, useGet } from '../api';
import { ago, count, dateTime, duration, plural } from '../format';
import type { Cluster } from '../types';
import { Banner, Button, Copy, DeleteOverlay, Empty, Field, FormOverlay, Head, Overlay, Pick, Section, Skeleton, Table, Tabs, TIME_UNITS, toast } from '../ui';

type Alert = {
  id: string; rule_id: string; rule_name: string; watches: string; severity: string; state: 'pending' | 'firing' | 'resolved'; cluster_id: string | null; cluster_name: string;
  resource: string; value: number; worst: number; unit: string; text: string; reason: string; silenced: boolean;
  began_at: string; fired_at: string | null; resolved_at: string | null;
};
type Rule = {
  id: string; name: string; watches: string; unit: string; severity: string; enabled: boolean; environment_id: string | null; cluster_id: string | null; resource: string;
  threshold: number; for_ms: number; resolve_ms: number; group_ms: number; repeat_ms: number; channels: string[]; description: string;
};
type Channel = {
  id: string; name: string; type: 'webhook' | 'slack' | 'email'; enabled: boolean; url: string; tls: string | null; from: string | null; to: string[] | null; username: string | null;
  has_secret: boolean; sent_at: string | null; failed_at: string | null; error: string; secret?: string;
};
type Delivery = { id: string; channel_id: string; rule_id: string | null; cause: string; state: string; alerts: number; attempts: number; error: string; created_at: string; next_attempt_at: string | null };
type Silence = { id: string; state: string; rule_id: string | null; cluster_id: string | null; resource: string; comment: string; starts_at: string; ends_at: string; created_by: string };

// What can be watched: word, unit, whether it has a threshold, what there is one alert of.
const kinds: [string, string, string, boolean, string][] = [
  ['broker_state', 'Broker down', '', false, ''], ['storage', 'Storage used', '%', true, ''], ['appends_refused', 'Producers refused', '', false, ''],
  ['damaged_partitions', 'Damaged partitions', '', true, ''], ['lag', 'Lag of groups', 'records', true, 'group'], ['time_lag', 'Time lag of groups', 's', true, 'group'],
  ['throttling', 'Throttled by quotas', 'ms/s', true, 'principal'], ['error_rate', 'Failing requests', '%', true, ''], ['disk', 'Disk of the service', '%', true, 'machine'],
  ['watchdog', 'Always (watchdog)', '', false, 'machine'],
];
const kindOf = (name: string) => kinds.find(k => k[0] === name) || [name, name, '', true, ''] as const;
const severities = ['critical', 'warning', 'info'];
const mark: Record<string, string> = { critical: 'bad', warning: 'warn', info: '' };
const shown = (n: number, unit: string) => `${unit === '%' ? Math.round(n * 10) / 10 : count(Math.round(n * 100) / 100)}${unit && ` ${unit}`}`;
const condition = (r: Rule) => `${kindOf(r.watches)[1]}${kindOf(r.watches)[3] ? ` above ${shown(r.threshold, r.unit)}` : ''}${r.for_ms ? ` for ${duration(r.for_ms)}` : ''}`;
const Severity = ({ of }: { of: string }) => <span class={`badge ${mark[of]}`}>{of}</span>;

// --- alerts ------------------------------------------------------------------------------------------------------
const What = ({ a }: { a: Alert }) => <>{a.rule_name}<small>{a.cluster_id ? <a href={`/clusters/${a.cluster_id}`}>{a.cluster_name}</a> : 'the service'}{a.resource && <>, {kindOf(a.watches)[4]} {a.resource}</>}</small></>;

function Open({ rows, silence }: { rows: Alert[]; silence: (a: Alert) => void }) {
  return (
    <Table label="Open alerts" rows={rows} rowKey={a => a.id} columns={[
      { title: 'Alert', cell: a => <What a={a} /> },
      { title: 'State', cell: a => <><span class={`badge ${a.state === 'firing' ? mark[a.severity] : ''}`}>{a.state === 'firing' ? a.severity : 'pending'}</span>{a.silenced && <small>silenced</small>}</> },
      { title: 'What is', cell: a => a.text },
      { title: 'Value', num: true, narrow: 'p3', cell: a => (a.unit ? shown(a.value, a.unit) : <span class="quiet-ink">–</span>) },
      { title: 'Since', narrow: 'p2', cell: a => <span title={dateTime(a.fired_at || a.began_at)}>{ago(a.fired_at || a.began_at)}</span> },
      { title: '', num: true, cell: a => !a.silenced && <Button kind="small" onClick={() => silence(a)}>Silence</Button> },
    ]} />
  );
}

function History() {
  const [pages, more] = useState(1);
  const list = useGet<{ data: Alert[]; metadata: { next: string | null } }>(`/leat/v1/alerts?state=resolved&page_size=${Math.min(50 * pages, 1000)}`, 5000);
  const rows = list.value?.data || [];
  return (
    <Section title="History" note="90 days">
      {list.error && <Banner>{list.error}</Banner>}
      {!list.value ? (!list.error && <Skeleton />) : rows.length === 0 ? <Empty title="Nothing has fired yet">What is resolved stays here.</Empty> :
        <Table label="Resolved alerts" rows={rows} rowKey={a => a.id} columns={[
          { title: 'Alert', cell: a => <What a={a} /> },
          { title: 'Severity', narrow: 'p2', cell: a => <Severity of={a.severity} /> },
          { title: 'What was', cell: a => <>{a.text}<small>{a.reason}</small></> },
          { title: 'Worst', num: true, narrow: 'p3', cell: a => (a.unit ? shown(a.worst, a.unit) : <span class="quiet-ink">–</span>) },
          { title: 'Fired', cell: a => <span title={dateTime(a.fired_at!)}>{ago(a.fired_at)}<small>{duration(Date.parse(a.resolved_at!) - Date.parse(a.fired_at!))} long</small></span> },
        ]} />}
      {list.value?.metadata.next && pages < 20 && <Button onClick={() => more(pages + 1)}>Show more</Button>}
    </Section>
  );
}

// --- rules ---------------------------------------------------------------------------------------------------------
const Time = ({ label, help, value, set, none }: { label: string; help: string; value: string; set: (v: string) => void; none: string }) =>
  <Field label={label} help={help}>{(id, d) => <Pick id={id} describe={d} value={value === '0' ? '' : value} units={[['seconds', 1000], ...TIME_UNITS]} placeholder={none} onChange={v => set(v || '0')} />}</Field>;

function EditRule({ rule, clusters, channels, onClose, done }: { rule?: Rule; clusters: Cluster[]; channels: Channel[]; onClose: () => void; done: () => void }) {
  const [watches, watch] = useState(rule?.watches || 'lag');
  const [name, setName] = useState(rule?.name || '');
  const [threshold, setThreshold] = useState(rule ? String(rule.threshold) : '');
  const [severity, setSeverity] = useState(rule?.severity || 'warning');
  const [on, setOn] = useState(rule?.cluster_id || rule?.environment_id || '');
  const [resource, setResource] = useState(rule?.resource || '');
  const [times, setTimes] = useState({ for_ms: String(rule?.for_ms ?? 60000), resolve_ms: String(rule?.resolve_ms ?? 60000), group_ms: String(rule?.group_ms ?? 60000), repeat_ms: String(rule?.repeat_ms ?? 14400000) });
  const [to, setTo] = useState<string[]>(rule?.channels || []);
  const [description, describe] = useState(rule?.description || '');
  const kind = kindOf(watches);
  const environments = [...new Map(clusters.map(c => [c.environment.id, c.environment.display_name])).entries()];
  const machine = kind[4] === 'machine';
  const submit = async () => {
    const body = {
      name, severity, description, channels: to, ...Object.fromEntries(Object.entries(times).map(([k, v]) => [k, Number(v)])), threshold: kind[3] ? Number(threshold) : 0,
      cluster_id: !machine && on.startsWith('lkc-') ? on : null, environment_id: !machine && on.startsWith('env-') ? on : null, resource: kind[4] && !machine ? resource : '',
    };
    await (rule ? patch(`/leat/v1/alert-rules/${rule.id}`, body) : post('/leat/v1/alert-rules', { ...body, watches }));
    toast(rule ? `${name} holds from now on.` : `${name} is watched.`);
    done();
  };
  return (
    <FormOverlay title={rule ? `Edit ${rule.name}` : 'New rule'} action={rule ? 'Save' : 'Create rule'} onClose={onClose} submit={submit} disabled={!name.trim() || (kind[3] && (threshold === '' || isNaN(Number(threshold))))}>
      {!rule && <Field label="Watches">{(id, d) => <select id={id} aria-describedby={d} class="in" value={watches} onChange={e => watch(e.currentTarget.value)}>{kinds.map(k => <option value={k[0]}>{k[1]}</option>)}</select>}</Field>}
      <Field label="Name" help="The first words of every message.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} onInput={e => setName(e.currentTarget.value)} />}</Field>
      {kind[3] && <Field label={`Above${kind[2] && ` (${kind[2]})`}`} help="It holds while the value is greater than this.">{(id, d) => <input id={id} aria-describedby={d} class="in" inputMode="decimal" value={threshold} onInput={e => setThreshold(e.currentTarget.value.trim())} />}</Field>}
      {!machine && <Field label="On">{(id, d) => <select id={id} aria-describedby={d} class="in" value={on} onChange={e => setOn(e.currentTarget.value)}><option value="">every cluster</option>
        {environments.map(([v, w]) => <option value={v}>environment {w}</option>)}{clusters.map(c => <option value={c.id}>{c.display_name}</option>)}</select>}</Field>}
      {kind[4] && !machine && <Field label={kind[4] === 'group' ? 'Group' : 'Principal'} help="Its name, or the beginning and a *. Empty: every one.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" spellcheck={false} value={resource} onInput={e => setResource(e.currentTarget.value)} />}</Field>}
      <Field label="Severity">{(id, d) => <select id={id} aria-describedby={d} class="in" value={severity} onChange={e => setSeverity(e.currentTarget.value)}>{severities.map(s => <option>{s}</option>)}</select>}</Field>
      <Time label="Fires after" help="It has to hold for so long." none="at once" value={times.for_ms} set={v => setTimes({ ...times, for_ms: v })} />
      <Time label="Resolved after" help="It must not have held for so long." none="at once" value={times.resolve_ms} set={v => setTimes({ ...times, resolve_ms: v })} />
      <Time label="At most one message in" help="What begins or ends meanwhile is told together." none="no limit" value={times.group_ms} set={v => setTimes({ ...times, group_ms: v })} />
      <Time label="Repeat every" help="While it fires; at least a minute." none="never" value={times.repeat_ms} set={v => setTimes({ ...times, repeat_ms: v })} />
      <Field label="Tell" help={to.length ? ' ' : 'None is chosen: every channel is told.'}>{(_id, d) => <div class="checks" aria-describedby={d}>{channels.map(c =>
        <label class="check"><input type="checkbox" checked={to.includes(c.id)} onChange={e => setTo(e.currentTarget.checked ? [...to, c.id] : to.filter(x => x !== c.id))} />{c.name}</label>)}{channels.length === 0 && <span class="quiet-ink">There is no channel yet.</span>}</div>}</Field>
      <Field label="What to do" help="Told in every message, like a link to a runbook.">{(id, d) => <textarea id={id} aria-describedby={d} class="in" rows={2} value={description} onInput={e => describe(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

// --- channels ------------------------------------------------------------------------------------------------------
const types: [Channel['type'], string][] = [['webhook', 'Webhook, signed'], ['slack', 'Slack or what reads its form'], ['email', 'Mail']];

function EditChannel({ channel, onClose, done }: { channel?: Channel; onClose: () => void; done: (made?: Channel) => void }) {
  const [type, setType] = useState<Channel['type']>(channel?.type || 'webhook');
  const [name, setName] = useState(channel?.name || '');
  const [url, setUrl] = useState(channel?.url || '');
  const [tls, setTls] = useState(channel?.tls || 'starttls');
  const [from, setFrom] = useState(channel?.from || '');
  const [to, setTo] = useState((channel?.to || []).join('\n'));
  const [user, setUser] = useState(channel?.username || '');
  const [secret, setSecret] = useState('');
  const mail = type === 'email';
  const submit = async () => {
    const body = {
      name, url, ...(secret ? { secret } : {}),
      ...(mail ? { tls, from, to: to.split(/[\s,]+/).filter(Boolean), username: user } : {}),
    };
    const made: Channel = await (channel ? patch(`/leat/v1/alert-channels/${channel.id}`, body) : post('/leat/v1/alert-channels', { ...body, type }));
    toast(`${name} is ${channel ? 'changed' : 'there'}. Test sends a message to it.`);
    done(channel ? undefined : made);
  };
  return (
    <FormOverlay title={channel ? `Edit ${channel.name}` : 'New channel'} action={channel ? 'Save' : 'Create channel'} onClose={onClose} submit={submit} disabled={!name.trim() || !url.trim() || (mail && (!from || !to.trim()))}>
      {!channel && <Field label="Kind">{(id, d) => <select id={id} aria-describedby={d} class="in" value={type} onChange={e => setType(e.currentTarget.value as Channel['type'])}>{types.map(([k, w]) => <option value={k}>{w}</option>)}</select>}</Field>}
      <Field label="Name">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} onInput={e => setName(e.currentTarget.value)} />}</Field>
      <Field label={mail ? 'Mail server' : 'URL'} help={mail ? 'smtp://HOST:PORT, or smtps://HOST:PORT.' : type === 'slack' ? 'A secret: only its beginning is shown afterwards.' : 'Gets a POST of JSON. Not of this machine or its link.'}>
        {(id, d) => <input id={id} aria-describedby={d} class="in mono" spellcheck={false} value={url} placeholder={mail ? 'smtp://mail.example.com:587' : 'https://'} onInput={e => { setUrl(e.currentTarget.value); if (e.currentTarget.value.startsWith('smtps:')) setTls('implicit'); }} />}</Field>
      {mail && <>
        <Field label="TLS">{(id, d) => <select id={id} aria-describedby={d} class="in" value={tls} onChange={e => setTls(e.currentTarget.value)}><option value="starttls">STARTTLS</option><option value="implicit">from the beginning (smtps)</option><option value="none">none</option></select>}</Field>
        <Field label="From">{(id, d) => <input id={id} aria-describedby={d} class="in" value={from} placeholder="leat@example.com" onInput={e => setFrom(e.currentTarget.value)} />}</Field>
        <Field label="To" help="One address a line, at most twenty.">{(id, d) => <textarea id={id} aria-describedby={d} class="in" rows={2} value={to} onInput={e => setTo(e.currentTarget.value)} />}</Field>
        <Field label="Login" help="Empty: none.">{(id, d) => <input id={id} aria-describedby={d} class="in" autocomplete="off" value={user} onInput={e => setUser(e.currentTarget.value)} />}</Field>
      </>}
      {type !== 'slack' && (!mail || user) && <Field label={mail ? 'Password' : 'Secret'} help={channel?.has_secret ? 'Never shown. Empty: it stays.' : mail ? 'Never shown again.' : 'Signs every message. Empty: one is made, and shown once.'}>
        {(id, d) => <input id={id} aria-describedby={d} class="in" type="password" autocomplete="new-password" value={secret} onInput={e => setSecret(e.currentTarget.value)} />}</Field>}
    </FormOverlay>
  );
}

const SecretOnce = ({ c, onClose }: { c: Channel; onClose: () => void }) => (
  <Overlay title={`Secret of ${c.name}`} onClose={onClose} hold>
    <div class="dlg-body">
      <Banner kind="warn"><b>It is shown this once.</b> With it the receiver verifies the header Leat-Signature.</Banner>
      <dl class="kv"><dt>Secret</dt><dd><span class="mono wrap">{c.secret}</span><Copy text={c.secret || ''} /></dd></dl>
    </div>
    <footer><Button kind="primary" onClick={onClose}>I have stored it</Button></footer>
  </Overlay>
);

function Channels({ list, rules }: { list: { value?: Channel[]; error?: string; reload: () => void }; rules: Rule[] }) {
  const [editing, edit] = useState<Channel | true | null>(null);
  const [made, setMade] = useState<Channel | null>(null);
  const [testing, setTesting] = useState('');
  const deliveries = useGet<{ data: Delivery[] }>('/leat/v1/alert-deliveries?page_size=20', 5000);
  const rows = list.value || [];
  const name = (id: string) => rows.find(c => c.id === id)?.name || id;
  const reload = () => { list.reload(); deliveries.reload(); };
  const test = async (c: Channel) => {
    setTesting(c.id);
    try {
      const answer = await post<{ arrived: boolean; error: string }>(`/leat/v1/alert-channels/${c.id}:test`);
      toast(answer.arrived ? `The test message arrived at ${c.name}.` : `It did not arrive: ${answer.error}`);
    } catch (e) { toast((e as Error).message); }
    setTesting('');
    reload();
  };
  const act = async (what: Promise<unknown>, word: string) => { try { await what; toast(word); reload(); } catch (e) { toast((e as Error).message); } };
  const button = <Button kind="primary" icon="plus" onClick={() => edit(true)}>New channel</Button>;
  return (
    <>
      {editing && <EditChannel channel={editing === true ? undefined : editing} onClose={() => edit(null)} done={c => { reload(); if (c?.secret) setMade(c); }} />}
      {made && <SecretOnce c={made} onClose={() => setMade(null)} />}
      <Section title="Channels" note="whom it is told" side={rows.length > 0 && button}>
        {list.error && <Banner>{list.error}</Banner>}
        {!list.value ? (!list.error && <Skeleton rows={2} />) : rows.length === 0 ? <Empty title="Nobody is told">Alerts are shown here and nowhere else until there is a channel.<br />{button}</Empty> :
          <Table label="Channels" rows={rows} rowKey={c => c.id} columns={[
            { title: 'Channel', cell: c => <>{c.name}<small>{types.find(t => t[0] === c.type)?.[1]}{!c.enabled && ', switched off'}</small></> },
            { title: 'Goes to', narrow: 'p2', cell: c => <>{c.to ? c.to.join(', ') : <span class="mono wrap">{c.url}</span>}{c.to && <small class="mono">{c.url}</small>}</> },
            { title: 'Last message', cell: c => c.error ? <><span class="badge bad">failed</span><small>{c.error}</small></> : c.sent_at ? <span title={dateTime(c.sent_at)}>arrived {ago(c.sent_at)}</span> : <span class="quiet-ink">none yet</span> },
            { title: '', num: true, cell: c => <><Button kind="small" disabled={testing === c.id} onClick={() => test(c)}>{testing === c.id ? 'Sending…' : 'Test'}</Button> <Button kind="small" icon="pencil" onClick={() => edit(c)}>Edit</Button> <Button kind="small" onClick={() => act(patch(`/leat/v1/alert-channels/${c.id}`, { enabled: !c.enabled }), `${c.name} is switched ${c.enabled ? 'off' : 'on'}.`)}>{c.enabled ? 'Switch off' : 'Switch on'}</Button> <Button kind="small" onClick={() => act(del(`/leat/v1/alert-channels/${c.id}`), `${c.name} is gone.`)}>Remove</Button></> },
          ]} />}
      </Section>
      {(deliveries.value?.data || []).length > 0 && <Section title="Messages" note="the last twenty">
        <Table label="Messages" rows={deliveries.value!.data} rowKey={d => d.id} columns={[
          { title: 'About', cell: d => <>{d.rule_id ? rules.find(r => r.id === d.rule_id)?.name || 'a rule that is gone' : 'a test'}<small>{d.rule_id ? plural(d.alerts, 'alert') : ' '}</small></> },
          { title: 'To', cell: d => name(d.channel_id) },
          { title: 'What became of it', cell: d => d.state === 'sent' ? <>arrived{d.error && <small>{d.error}</small>}</> : <><span class={`badge ${d.state === 'failed' ? 'bad' : 'warn'}`}>{d.state === 'failed' ? 'given up' : d.attempts ? 'tried again' : 'waits'}</span><small>{d.error}</small></> },
          { title: 'Attempts', num: true, narrow: 'p3', cell: d => count(d.attempts) },
          { title: 'Made', narrow: 'p2', cell: d => <span title={dateTime(d.created_at)}>{ago(d.created_at)}</span> },
        ]} />
      </Section>}
    </>
  );
}

// --- silences ------------------------------------------------------------------------------------------------------
function NewSilence({ from, rules, clusters, onClose, done }: { from?: Alert; rules: Rule[]; clusters: Cluster[]; onClose: () => void; done: () => void }) {
  const [rule, setRule] = useState(from?.rule_id || '');
  const [cluster, setCluster] = useState(from?.cluster_id || '');
  const [resource, setResource] = useState(from?.resource || '');
  const [lasts, setLasts] = useState('7200000');
  const [comment, setComment] = useState('');
  const submit = async () => {
    await post('/leat/v1/alert-silences', { ...(rule ? { rule_id: rule } : {}), ...(cluster ? { cluster_id: cluster } : {}), resource, comment, duration_ms: Number(lasts) });
    toast('Nothing is sent about it until then.');
    done();
  };
  return (
    <FormOverlay title="Silence" action="Silence" onClose={onClose} submit={submit} disabled={!lasts}>
      <Field label="Rule">{(id, d) => <select id={id} aria-describedby={d} class="in" value={rule} onChange={e => setRule(e.currentTarget.value)}><option value="">every rule</option>{rules.map(r => <option value={r.id}>{r.name}</option>)}</select>}</Field>
      <Field label="Cluster">{(id, d) => <select id={id} aria-describedby={d} class="in" value={cluster} onChange={e => setCluster(e.currentTarget.value)}><option value="">every cluster</option>{clusters.map(c => <option value={c.id}>{c.display_name}</option>)}</select>}</Field>
      <Field label="Group or principal" help="Its name, or the beginning and a *. Empty: every one.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" spellcheck={false} value={resource} onInput={e => setResource(e.currentTarget.value)} />}</Field>
      <Field label="For" help="What fires still when it ends is told then.">{(id, d) => <Pick id={id} describe={d} value={lasts} units={TIME_UNITS} onChange={setLasts} />}</Field>
      <Field label="Why">{(id, d) => <input id={id} aria-describedby={d} class="in" value={comment} onInput={e => setComment(e.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

// --- the page ------------------------------------------------------------------------------------------------------
export function Alerts({ query }: { query: URLSearchParams }) {
  const tab = query.get('tab') || '';
  const open = useGet<Alert[]>('/leat/v1/alerts?state=open', 2000, all);
  const rules = useGet<Rule[]>('/leat/v1/alert-rules', 0, all);
  const channels = useGet<Channel[]>('/leat/v1/alert-channels', 5000, all);
  const silences = useGet<Silence[]>('/leat/v1/alert-silences', 5000, all);
  const clusters = useGet<Cluster[]>('/leat/v1/clusters', 0, all);
  const [editing, edit] = useState<Rule | true | null>(null);
  const [leaving, leave] = useState<Rule | null>(null);
  const [silencing, silence] = useState<Alert | true | null>(null);
  const cluster = (id: string | null) => clusters.value?.find(c => c.id === id)?.display_name || id || '';
  const ruleName = (id: string | null) => rules.value?.find(r => r.id === id)?.name || id || '';
  const where = (r: Rule) => kindOf(r.watches)[4] === 'machine' ? 'the service' : r.cluster_id ? cluster(r.cluster_id)
    : r.environment_id ? `environment ${clusters.value?.find(c => c.environment.id === r.environment_id)?.environment.display_name || r.environment_id}` : 'every cluster';
  const rows = open.value || [];
  const firing = rows.filter(a => a.state === 'firing');
  const quiet = (silences.value || []).filter(s => s.state !== 'expired');
  const act = async (what: Promise<unknown>, word: string, after: () => void) => { try { await what; toast(word); after(); } catch (e) { toast((e as Error).message); } };
  const enabled = (rules.value || []).filter(r => r.enabled);
  const deaf = channels.value?.length === 0;
  const lead = !open.value || !rules.value ? ' ' : firing.length ? `${plural(firing.length, 'alert fires', 'alerts fire')}: ${firing[0].rule_name}${firing[0].cluster_name && ` at ${firing[0].cluster_name}`}${firing.length > 1 ? ' and more' : ''}.`
    : `Nothing fires. ${plural(enabled.length, 'rule')} ${enabled.length === 1 ? 'is' : 'are'} looked at every two seconds.`;
  return (
    <>
      {editing && clusters.value && <EditRule rule={editing === true ? undefined : editing} clusters={clusters.value} channels={channels.value || []} onClose={() => edit(null)} done={rules.reload} />}
      {leaving && <DeleteOverlay what="rule" name={leaving.name} lost={['what it has open is resolved, and told so', 'its history stays']} onClose={() => leave(null)}
        submit={async () => { await del(`/leat/v1/alert-rules/${leaving.id}`); toast(`${leaving.name} is gone.`); rules.reload(); open.reload(); }} />}
      {silencing && clusters.value && <NewSilence from={silencing === true ? undefined : silencing} rules={rules.value || []} clusters={clusters.value} onClose={() => silence(null)} done={() => { silences.reload(); open.reload(); }} />}
      <Head title="Alerts" lead={lead} actions={tab === 'silences' ? <Button kind="primary" icon="plus" onClick={() => silence(true)}>New silence</Button> : tab === 'rules' ? <Button kind="primary" icon="plus" onClick={() => edit(true)}>New rule</Button> : undefined} />
      {deaf && tab !== 'channels' && <Banner kind="warn"><b>Nobody is told.</b> There is no channel yet: <a href="/alerts?tab=channels">make one</a>.</Banner>}
      <Tabs base="/alerts" on={tab} tabs={[['', 'Alerts', open.value && rows.length], ['rules', 'Rules', rules.value?.length], ['channels', 'Channels', channels.value?.length], ['silences', 'Silences', silences.value && quiet.length]]} />
      {tab === '' && <>
        <Section title="Open">
          {open.error && <Banner>{open.error}</Banner>}
          {!open.value ? (!open.error && <Skeleton rows={2} />) : rows.length === 0 ? <Empty title="Nothing fires">What a rule finds is shown here as long as it lasts.</Empty> : <Open rows={rows} silence={a => silence(a)} />}
        </Section>
        <History />
      </>}
      {tab === 'rules' && <Section title="Rules">
        {rules.error && <Banner>{rules.error}</Banner>}
        {!rules.value ? (!rules.error && <Skeleton />) : rules.value.length === 0 ? <Empty title="Nothing is watched">A rule says what must not be, and for how long.</Empty> :
          <Table label="Rules" rows={rules.value} rowKey={r => r.id} columns={[
            { title: 'Rule', cell: r => <>{r.name}<small>{condition(r)}</small></> },
            { title: 'On', narrow: 'p2', cell: r => <>{where(r)}{r.resource && <small>{kindOf(r.watches)[4]} {r.resource}</small>}</> },
            { title: 'Severity', cell: r => <Severity of={r.severity} /> },
            { title: 'Tells', narrow: 'p3', cell: r => r.channels.length ? r.channels.map(id => channels.value?.find(c => c.id === id)?.name || id).join(', ') : 'every channel' },
            { title: 'State', cell: r => !r.enabled ? <span class="quiet-ink">off</span> : firing.some(a => a.rule_id === r.id) ? <span class={`badge ${mark[r.severity] || 'warn'}`}>fires</span> : 'watches' },
            { title: '', num: true, cell: r => <><Button kind="small" onClick={() => act(patch(`/leat/v1/alert-rules/${r.id}`, { enabled: !r.enabled }), `${r.name} is switched ${r.enabled ? 'off' : 'on'}.`, rules.reload)}>{r.enabled ? 'Switch off' : 'Switch on'}</Button> <Button kind="small" icon="pencil" onClick={() => edit(r)}>Edit</Button> <Button kind="small" onClick={() => leave(r)}>Delete</Button></> },
          ]} />}
      </Section>}
      {tab === 'channels' && <Channels list={channels} rules={rules.value || []} />}
      {tab === 'silences' && <Section title="Silences" note="nothing is sent; alerts are shown all the same">
        {silences.error && <Banner>{silences.error}</Banner>}
        {!silences.value ? (!silences.error && <Skeleton rows={2} />) : silences.value.length === 0 ? <Empty title="Nothing is silenced">For planned work: of a rule, a cluster, or one group.</Empty> :
          <Table label="Silences" rows={silences.value} rowKey={s => s.id} columns={[
            { title: 'What', cell: s => <>{s.rule_id ? ruleName(s.rule_id) : 'every rule'}<small>{s.cluster_id ? cluster(s.cluster_id) : 'every cluster'}{s.resource && `, ${s.resource}`}</small></> },
            { title: 'State', cell: s => <span class={`badge ${s.state === 'active' ? 'warn' : ''}`}>{s.state === 'active' ? 'silent' : s.state === 'pending' ? 'to come' : 'over'}</span> },
            { title: 'Until', cell: s => dateTime(s.ends_at) },
            { title: 'Why', narrow: 'p2', cell: s => <>{s.comment || <span class="quiet-ink">–</span>}<small>{s.created_by}</small></> },
            { title: '', num: true, cell: s => s.state !== 'expired' && <Button kind="small" onClick={() => act(del(`/leat/v1/alert-silences/${s.id}`), 'The silence is over.', () => { silences.reload(); open.reload(); })}>End it</Button> },
          ]} />}
      </Section>}
    </>
  );
}

// How many fire, for the rail.
export function useFiring() {
  const list = useGet<{ data: unknown[]; metadata: { total_size?: number } }>('/leat/v1/alerts?state=firing&page_size=100', 5000, get);
  return list.value ? list.value.metadata.total_size ?? list.value.data.length : 0;
}
