// How clients of a cluster are known: its certificate, theirs, bearer tokens, and how often they say again who they are.
import { useState } from 'preact/hooks';
import { call, useGet } from '../api';
import { dateTime, duration, plural } from '../format';
import { useMay } from '../may';
import type { Cluster } from '../types';
import { Banner, Button, Code, Copy, Field, FormOverlay, Head, Pick, Section, Skeleton, TIME_UNITS, toast } from '../ui';

type Auth = 'none' | 'requested' | 'required';
type Certificate = {
  bootstrap_servers: string | null; security_protocol: string; source: 'leat' | 'operator'; fits_host: boolean; certificate: string; subject: string; issuer: string;
  sha256_fingerprint: string; not_before: string; not_after: string; client_auth: Auth; client_ca: string | null;
};
type Logins = {
  connections_max_reauth_ms: number; issuer: string; audience: string; principal_claim: string; clock_skew_ms: number; jwks: string; jwks_url: string; jwks_insecure: boolean; jwks_fetched_at: string | null;
};
type Part = '' | 'replace' | 'renew' | 'clients' | 'tokens';
type Doing = { c: Cluster; onClose: () => void; reload: () => void };
const put = (path: string, body: unknown) => call('PUT', path, body);
const SECONDS: [string, number][] = [['seconds', 1000], ...TIME_UNITS];
const Pem = ({ label, help, value, set }: { label: string; help: string; value: string; set: (v: string) => void }) => (
  <Field label={label} help={help}>{(id, d) => <textarea id={id} aria-describedby={d} class="in mono" rows={7} spellcheck={false} autocomplete="off" value={value} placeholder="-----BEGIN" onInput={e => set(e.currentTarget.value)} />}</Field>
);

// --- changing ---------------------------------------------------------------------------------------------------------
function Replace({ c, onClose, reload }: Doing) {
  const [certificate, setCertificate] = useState('');
  const [key, setKey] = useState('');
  return (
    <FormOverlay title="A certificate of your own" action="Serve this certificate" wide onClose={onClose} disabled={!certificate.trim() || !key.trim()}
      submit={async () => { await put(`/leat/v1/clusters/${c.id}/certificate`, { certificate, private_key: key }); toast('New connections get this certificate.'); reload(); }}>
      <ul class="steps"><li>new connections get it at once; those that are open stay</li><li>clients that trust the service's CA alone have to trust whoever signed this one</li><li>nothing renews it for you</li></ul>
      <Pem label="Certificate" help="PEM, the leaf first, then its chain." value={certificate} set={setCertificate} />
      <Pem label="Private key" help="PEM, without a password. It is never answered back." value={key} set={setKey} />
    </FormOverlay>
  );
}

const Renew = ({ c, onClose, reload, own }: Doing & { own: boolean }) => (
  <FormOverlay title={own ? 'Go back to the service\'s CA?' : 'Renew the certificate?'} action={own ? 'Go back' : 'Renew'} drawer={false} onClose={onClose}
    submit={async () => { await call('DELETE', `/leat/v1/clusters/${c.id}/certificate`); toast('New connections get a new certificate of the service\'s CA.'); reload(); }}>
    <ul class="steps"><li>new connections get a new certificate, signed by the service's CA</li>{own && <li>your certificate and its key are forgotten; clients have to trust the service's CA</li>}</ul>
  </FormOverlay>
);

const words: Record<Auth, [string, string]> = {
  none: ['not asked for', 'Clients log in by key, SCRAM or token.'], requested: ['taken when shown', 'A client may show a certificate; one that fits is its login.'], required: ['required', 'Who shows none that fits is cut off, whatever its key.'],
};

function Clients({ c, onClose, reload, now }: Doing & { now: Certificate }) {
  const [auth, setAuth] = useState<Auth>(now.client_auth);
  const [ca, setCa] = useState(now.client_ca || '');
  return (
    <FormOverlay title="Certificates of clients" action="Save" wide onClose={onClose} disabled={auth !== 'none' && !ca.trim()}
      submit={async () => { await put(`/leat/v1/clusters/${c.id}/client-auth`, auth === 'none' ? { client_auth: auth } : { client_auth: auth, client_ca: ca }); toast('Holds for new connections by TLS.'); reload(); }}>
      <Field label="Client certificates" help={words[auth][1]}>{(id, d) => <select id={id} aria-describedby={d} class="in" value={auth} onChange={e => setAuth(e.currentTarget.value as Auth)}>{(Object.keys(words) as Auth[]).map(k => <option value={k}>{words[k][0]}</option>)}</select>}</Field>
      {auth !== 'none' && <Pem label="Signed by" help="PEM of the CA that signs certificates of clients. The subject is the principal that ACLs name." value={ca} set={setCa} />}
    </FormOverlay>
  );
}

function Tokens({ c, onClose, reload, now }: Doing & { now: Logins }) {
  const [from, setFrom] = useState(now.jwks_url ? 'url' : now.jwks ? 'pasted' : 'none');
  const [text, setText] = useState({ issuer: now.issuer, audience: now.audience, principal_claim: now.principal_claim, jwks: now.jwks_url ? '' : now.jwks, jwks_url: now.jwks_url });
  const [insecure, setInsecure] = useState(now.jwks_insecure);
  const [skew, setSkew] = useState(String(now.clock_skew_ms || ''));
  const [again, setAgain] = useState(String(now.connections_max_reauth_ms || ''));
  const submit = async () => {
    const tokens = from === 'none' ? {} : { issuer: text.issuer, audience: text.audience, principal_claim: text.principal_claim, clock_skew_ms: Number(skew || 0), ...(from === 'url' ? { jwks_url: text.jwks_url, jwks_insecure: insecure } : { jwks: text.jwks }) };
    await put(`/leat/v1/clusters/${c.id}/authentication`, { ...tokens, connections_max_reauth_ms: Number(again || 0) });
    toast('Holds for new logins.');
    reload();
  };
  const line = (label: string, key: keyof typeof text, help: string, placeholder = '') => <Field label={label} help={help}>{(id, d) => <input id={id} aria-describedby={d} class="in mono" spellcheck={false} value={text[key]} placeholder={placeholder} onInput={e => setText({ ...text, [key]: e.currentTarget.value.trim() })} />}</Field>;
  return (
    <FormOverlay title="How clients log in" action="Save" wide onClose={onClose} submit={submit} disabled={from !== 'none' && (!text.issuer || !text.audience || !(from === 'url' ? text.jwks_url : text.jwks.trim()))}>
      <Field label="Log in again after" help="Clients log in again without losing their connection. Empty: never.">{(id, d) => <Pick id={id} describe={d} value={again} units={SECONDS} placeholder="never" onChange={setAgain} />}</Field>
      <Field label="Bearer tokens" help={from === 'none' ? 'OAUTHBEARER is refused.' : 'OAUTHBEARER with signed JSON Web Tokens.'}>{(id, d) => <select id={id} aria-describedby={d} class="in" value={from} onChange={e => setFrom(e.currentTarget.value)}><option value="none">not taken</option><option value="url">keys fetched from a URL</option><option value="pasted">keys given here</option></select>}</Field>
      {from !== 'none' && <>
        {line('Issuer', 'issuer', 'The iss of tokens, letter by letter.', 'https://login.example.com')}
        {line('Audience', 'audience', 'The aud of tokens; several behind commas, of which one must fit.', 'kafka')}
        {line('Principal', 'principal_claim', 'The claim that names the principal of ACLs.', 'sub')}
        {from === 'url' ? <>{line('Key set', 'jwks_url', 'https; the service fetches it now and every hour.', 'https://login.example.com/jwks')}
          <label class="check"><input type="checkbox" checked={insecure} onChange={e => setInsecure(e.currentTarget.checked)} /><span>Allow http and addresses of this machine<small class="help">For tests: whoever can answer there can make tokens.</small></span></label><br /></>
          : <Field label="Key set" help="A JSON Web Key Set with the public keys.">{(id, d) => <textarea id={id} aria-describedby={d} class="in mono" rows={6} spellcheck={false} value={text.jwks} onInput={e => setText({ ...text, jwks: e.currentTarget.value })} />}</Field>}
        <Field label="Clocks may differ by" help="At most ten minutes.">{(id, d) => <Pick id={id} describe={d} value={skew} units={SECONDS} placeholder="nothing" onChange={setSkew} />}</Field>
      </>}
    </FormOverlay>
  );
}

// --- what is ----------------------------------------------------------------------------------------------------------
const DAY = 86400000;

function Served({ v, edit }: { v: Certificate; edit?: (p: Part) => void }) {
  const left = Date.parse(v.not_after) - Date.now();
  const own = v.source === 'operator';
  return (
    <Section title="Certificate of the broker" note={own ? 'your own' : 'of the service\'s CA, which renews it'} side={edit && <><Button kind="small" onClick={() => edit('renew')}>{own ? 'Go back to the service\'s CA' : 'Renew'}</Button> <Button kind="small" onClick={() => edit('replace')}>Replace</Button></>}>
      {left <= 0 && <Banner><b>It has run out.</b> Clients that check it do not connect.</Banner>}
      {left > 0 && left < 30 * DAY && own && <Banner kind="warn"><b>It runs out in {duration(left)}.</b> Nothing renews it for you.</Banner>}
      {!v.fits_host && <Banner kind="warn"><b>Its names do not hold the host that clients are told.</b> {v.bootstrap_servers} is not among them: clients that check names do not connect.</Banner>}
      <div class="card pad"><dl class="kv">
        <dt>Bootstrap</dt><dd>{v.bootstrap_servers ? <><span class="mono">{v.bootstrap_servers}</span><Copy text={v.bootstrap_servers} /></> : 'no port was free for TLS'}</dd>
        <dt>Subject</dt><dd>{v.subject}</dd><dt>Signed by</dt><dd>{v.issuer}</dd>
        <dt>Fingerprint</dt><dd><span class="mono wrap">{v.sha256_fingerprint}</span><Copy text={v.certificate} label="Copy as PEM" /></dd>
        <dt>Valid</dt><dd>{dateTime(v.not_before)} to {dateTime(v.not_after)}{left > 0 && `, ${plural(Math.floor(left / DAY), 'day')} left`}</dd>
      </dl></div>
    </Section>
  );
}

export function Security({ c }: { c: Cluster }) {
  const [part, edit] = useState<Part>('');
  const { known, may } = useMay(c);
  const manage = may('connection.manage');
  const served = useGet<Certificate>(`/leat/v1/clusters/${c.id}/certificate`);
  const logins = useGet<Logins>(`/leat/v1/clusters/${c.id}/authentication`);
  const close = () => edit('');
  const l = logins.value;
  return (
    <>
      {part === 'replace' && <Replace c={c} onClose={close} reload={served.reload} />}
      {part === 'renew' && served.value && <Renew c={c} own={served.value.source === 'operator'} onClose={close} reload={served.reload} />}
      {part === 'clients' && served.value && <Clients c={c} now={served.value} onClose={close} reload={served.reload} />}
      {part === 'tokens' && l && <Tokens c={c} now={l} onClose={close} reload={logins.reload} />}
      <Head title="Security" lead="What the broker shows to clients, and how clients show who they are. What they may do then stands under Access." />
      {known && !manage && <Banner kind="info">Your roles let you look. OrganizationAdmin, EnvironmentAdmin, CloudClusterAdmin, NetworkAdmin and SecurityAdmin change this.</Banner>}
      {(served.error || logins.error) && <Banner>{served.error || logins.error}</Banner>}
      {!served.value ? (!served.error && <Skeleton />) : <>
        <Served v={served.value} edit={manage ? edit : undefined} />
        <Section title="Certificates of clients" side={manage && <Button kind="small" aria-label="Edit certificates of clients" onClick={() => edit('clients')}>Edit</Button>}>
          <div class="card pad"><dl class="kv"><dt>Certificates</dt><dd>{words[served.value.client_auth][0]}</dd></dl><p class="help">{words[served.value.client_auth][1]}{served.value.client_auth !== 'none' && ' Its subject is the principal that ACLs name.'}</p>
            {served.value.client_auth !== 'none' && served.value.client_ca && <><br /><Code label="Signed by" text={served.value.client_ca.trim()} /></>}</div>
        </Section>
      </>}
      {l && <Section title="Logins" note="by SASL" side={manage && <Button kind="small" aria-label="Edit logins" onClick={() => edit('tokens')}>Edit</Button>}>
        <div class="card pad"><dl class="kv">
          <dt>Mechanisms</dt><dd>{c.sasl_mechanisms.join(', ')}</dd>
          <dt>Again after</dt><dd>{l.connections_max_reauth_ms ? duration(l.connections_max_reauth_ms) : 'never'}</dd>
          <dt>Bearer tokens</dt><dd>{l.jwks ? 'taken' : l.jwks_url ? 'waiting for their key set' : 'not taken'}</dd>
          {(l.jwks || l.jwks_url) && <><dt>Issuer</dt><dd class="mono">{l.issuer}</dd><dt>Audience</dt><dd class="mono">{l.audience}</dd><dt>Principal</dt><dd>the claim <span class="mono">{l.principal_claim}</span></dd>
            <dt>Key set</dt><dd>{l.jwks_url ? <><span class="mono wrap">{l.jwks_url}</span>{l.jwks_fetched_at && <span class="quiet-ink">fetched {dateTime(l.jwks_fetched_at)}</span>}</> : 'given here'}</dd>
            <dt>Clocks</dt><dd>may differ by {l.clock_skew_ms ? duration(l.clock_skew_ms) : 'nothing'}</dd></>}
        </dl></div>
      </Section>}
    </>
  );
}
