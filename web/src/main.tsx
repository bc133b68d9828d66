// The console: signs in, lays the frame, and shows the page that the URL names.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import './style.css';
import { all, call, get, onSignedOut, setCsrf, useGet } from './api';
import { followLinks, go, useLocation } from './router';
import { Icon, Mark } from './icons';
import { Automate, type Recipe } from './automate';
import { Button, Tag, tagWord, Toasts } from './ui';
import type { Cluster, Group } from './types';
import { Login } from './pages/login';
import { Fleet } from './pages/fleet';
import { Overview } from './pages/cluster';
import { Topics } from './pages/topics';
import { TopicPage } from './pages/topic';
import { GroupPage, Groups } from './pages/groups';
import { Clients } from './pages/clients';
import { Metrics } from './pages/metrics';
import { Access, AccountPage } from './pages/access';
import { Environments } from './pages/environments';
import { ClusterLimits } from './pages/limits';
import { Plans } from './pages/plans';
import { Quotas } from './pages/quotas';
import { People } from './pages/people';
import { AcceptInvitation, Profile } from './pages/profile';
import { Requests } from './pages/requests';
import { Audit } from './pages/audit';
import { Backups } from './pages/backups';
import { Costs } from './pages/costs';
import { Logs, ServiceLog } from './pages/logs';
import { Processes } from './pages/processes';
import { Security } from './pages/security';
import { Service } from './pages/service';
import { Alerts, useFiring } from './pages/alerts';

type Session = { user: { id: string; login: string; full_name: string }; csrf: string };

function theme() {
  const now = document.documentElement.dataset.theme ||
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  const next = now === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem('theme', next); } catch { /* private windows keep no choice */ }
}

function page(path: string[], query: URLSearchParams, cluster: Cluster | undefined, reload: () => void) {
  if (path.length === 0) return <Fleet />;
  if (path[0] === 'audit') return <Audit query={query} />;
  if (path[0] === 'alerts') return <Alerts query={query} />;
  if (path[0] === 'people') return <People />;
  if (path[0] === 'environments') return <Environments />;
  if (path[0] === 'plans') return <Plans />;
  if (path[0] === 'backups') return <Backups />;
  if (path[0] === 'costs') return <Costs query={query} />;
  if (path[0] === 'service') return path[1] === 'log' ? <ServiceLog query={query} /> : <Service />;
  if (path[0] === 'requests') return <Requests query={query} />;
  if (path[0] !== 'clusters' || !path[1]) return <Missing />;
  if (!cluster) return null;
  const c = cluster;
  switch (path[2]) {
    case undefined: return <Overview c={c} query={query} reload={reload} />;
    case 'topics': return path[3] ? <TopicPage c={c} name={path[3]} query={query} /> : <Topics c={c} query={query} />;
    case 'groups': return path[3] ? <GroupPage c={c} id={path[3]} query={query} /> : <Groups c={c} query={query} />;
    case 'clients': return <Clients c={c} query={query} />;
    case 'metrics': return <Metrics c={c} query={query} />;
    case 'access': return path[3] ? <AccountPage c={c} id={path[3]} /> : <Access c={c} />;
    case 'quotas': return <Quotas c={c} />;
    case 'limits': return <ClusterLimits c={c} reload={reload} />;
    case 'security': return <Security c={c} />;
    case 'processes': return <Processes c={c} reload={reload} />;
    case 'logs': return <Logs c={c} query={query} />;
    case 'backups': return <Backups c={c} />;
    case 'audit': return <Audit c={c} query={query} />;
    default: return <Missing />;
  }
}
const Missing = () => <div class="empty"><p class="empty-title">There is no such page</p><a href="/">All clusters</a></div>;

const parts: [string, string, string][] = [
  ['', 'overview', 'Overview'], ['topics', 'topics', 'Topics'], ['groups', 'groups', 'Groups'], ['clients', 'plug', 'Clients'], ['metrics', 'metrics', 'Metrics'],
  ['quotas', 'quotas', 'Quotas'], ['limits', 'limits', 'Limits'], ['access', 'access', 'Access'],
  ['security', 'security', 'Security'], ['processes', 'processes', 'Processes'], ['logs', 'logs', 'Logs'], ['backups', 'backups', 'Backups'], ['audit', 'audit', 'Audit'],
];

// The cluster one is in, and the way to another.
function Switcher({ id, c }: { id: string; c?: Cluster }) {
  const [open, set] = useState(false);
  const list = useGet<Cluster[]>(open ? '/leat/v1/clusters' : null, 0, all);
  useEffect(() => {
    if (!open) return;
    const away = (e: Event) => { if (!(e.target as Element).closest?.('.switcher') || (e.target as Element).closest?.('.switcher a')) set(false); };
    const escape = (e: KeyboardEvent) => { if (e.key === 'Escape') set(false); };
    document.addEventListener('click', away);
    document.addEventListener('keydown', escape);
    return () => { document.removeEventListener('click', away); document.removeEventListener('keydown', escape); };
  }, [open]);
  return (
    <div class="switcher">
      <button type="button" class={`switch ${c ? tagWord(c.tag) : ''}`} aria-expanded={open} aria-haspopup="true" onClick={() => set(!open)}>
        <span><b>{c?.display_name || id}</b><small>{c ? tagWord(c.tag) : ' '}</small></span><Icon name="updown" />
      </button>
      {open && <ul class="menu" aria-label="Clusters">
        {(list.value || []).map(x => <li key={x.id}><a href={`/clusters/${x.id}`} aria-current={x.id === id ? 'true' : undefined}>{x.display_name}<Tag tag={x.tag} /></a></li>)}
        <li><a href="/">All clusters</a></li>
      </ul>}
    </div>
  );
}

// What is beside the clusters.
const places: [string, string, string][] = [
  ['alerts', 'alerts', 'Alerts'], ['environments', 'environments', 'Environments'], ['plans', 'plans', 'Plans'], ['requests', 'requests', 'Topic requests'], ['people', 'access', 'People'], ['costs', 'costs', 'Costs'], ['backups', 'backups', 'Backups'], ['service', 'service', 'Service'], ['audit', 'audit', 'Audit'],
];

function Frame({ session, leave }: { session: Session; leave: () => void }) {
  const { path, query } = useLocation();
  const id = path[0] === 'clusters' ? path[1] : undefined;
  const cluster = useGet<Cluster>(id ? `/leat/v1/clusters/${id}` : null, 2000);
  const [automate, setAutomate] = useState(false);
  const groups = useGet<Group[]>(cluster.value?.state.name === 'running' ? `/leat/v1/clusters/${id}/groups` : null, 5000, all);
  const firing = useFiring();
  const behind = (groups.value || []).filter(g => g.total_lag > 0).length;
  const c = cluster.value;
  const base = id ? `/clusters/${id}` : '';
  const at = path[2] || '';
  const crumbs: [string, string][] = id
    ? [[c?.display_name || id, base], ...(at ? [[parts.find(p => p[0] === at)?.[2] || at, `${base}/${at}`] as [string, string]] : []), ...(path[3] ? [[path[3], ''] as [string, string]] : [])]
    : [[places.find(p => p[0] === path[0])?.[2] || 'Clusters', `/${path[0]}`], ...(path[0] === 'service' && path[1] === 'log' ? [['Log', ''] as [string, string]] : [])];
  const recipe: Recipe = { path, cluster: c };
  const signOut = async () => { try { await call('DELETE', '/leat/v1/session'); } finally { leave(); } };
  return (
    <div class="frame">
      <aside class="side">
        <a class="brand" href="/"><Mark />Leat</a>
        {id && <Switcher id={id} c={c} />}
        <nav class="nav" aria-label="Main">
          {id && parts.map(([key, icon, word]) => (
            <a href={key ? `${base}/${key}` : base} aria-current={at === key ? 'page' : undefined}><Icon name={icon} />{word}
              {key === 'topics' && c && <span class="n">{c.use.topics}</span>}
              {key === 'groups' && behind > 0 && <span class="n care">{behind} behind</span>}</a>))}
          {id && <hr />}
          <a href="/" aria-current={path.length === 0 ? 'page' : undefined}><Icon name="clusters" />{id ? 'All clusters' : 'Clusters'}</a>
          {!id && places.map(([key, icon, word]) => <a href={`/${key}`} aria-current={path[0] === key ? 'page' : undefined}><Icon name={icon} />{word}{key === 'alerts' && firing > 0 && <span class="n care">{firing} firing</span>}</a>)}
        </nav>
        <div class="who"><span class="face" aria-hidden="true">{session.user.login.slice(0, 2).toUpperCase()}</span><a class="wrap" href="/profile" title="Password and sessions">{session.user.login}</a><Button kind="quiet" icon="out" aria-label="Sign out" title="Sign out" onClick={signOut} /></div>
      </aside>
      <div>
        <div class={`top ${c ? tagWord(c.tag) : ''}`}>
          <nav class="crumbs" aria-label="Where you are">{crumbs.map(([word, href], i) => <>{i > 0 && <span class="sep">/</span>}{href && i < crumbs.length - 1 ? <a href={href}>{word}</a> : <span>{word}</span>}</>)}</nav>
          <span class={`livedot ${cluster.error ? 'off' : ''}`}>{cluster.error ? 'Not live' : 'Live'}</span>
          <Button kind="quiet" icon="code" onClick={() => setAutomate(true)}>Automate this</Button>
          <Button kind="quiet" icon="theme" aria-label="Light or dark" title="Light or dark" onClick={theme} />
        </div>
        <main id="main">
          {id && cluster.error && !c ? <div class="empty"><p class="empty-title">{cluster.error}</p><a href="/">All clusters</a></div> : path[0] === 'profile' ? <Profile user={session.user} /> : page(path, query, c, cluster.reload)}
        </main>
      </div>
      {automate && <Automate recipe={recipe} onClose={() => setAutomate(false)} />}
      <Toasts />
    </div>
  );
}

function App() {
  const [session, set] = useState<Session | null | undefined>(undefined);
  const enter = (s: Session | null) => { setCsrf(s?.csrf || ''); set(s); };
  useEffect(() => {
    onSignedOut(() => enter(null));
    get<Session>('/leat/v1/session').then(enter, () => enter(null));
    document.addEventListener('click', followLinks);
  }, []);
  const { path } = useLocation();
  if (session === undefined) return null;
  if (path[0] === 'invitation') return <AcceptInvitation />;
  if (!session) return <Login done={s => { enter(s); if (location.pathname === '/login') go('/', true); }} />;
  return <Frame session={session} leave={() => enter(null)} />;
}

try {
  const chosen = localStorage.getItem('theme');
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch { /* follows the system */ }
render(<App />, document.getElementById('app')!);
