// Environments: the tenants, and how topics are to be named and sized in each.
import { useEffect, useState } from 'preact/hooks';
import { all, call, patch, post, useGet } from '../api';
import { plural, retention } from '../format';
import type { Cluster } from '../types';
import { Banner, Button, DeleteOverlay, Field, FormOverlay, Head, Pick, Section, Skeleton, TIME_UNITS, Table, toast } from '../ui';

type Environment = { id: string; display_name: string; metadata: { created_at: string } };
type Range = { min: number | null; max: number | null };
type Policy = { name_prefix: string; name_pattern: string; partitions: Range; retention_ms: Range; description: string };

const text = (n: number | null) => (n === null ? '' : String(n));
const number = (s: string) => (s === '' ? null : Number(s));
function range(r: Range, show: (n: number) => string): string {
  if (r.min !== null && r.max !== null) return `${show(r.min)} to ${show(r.max)}`;
  return r.min !== null ? `at least ${show(r.min)}` : r.max !== null ? `at most ${show(r.max)}` : '';
}
function inWords(p: Policy): string[] {
  const partitions = range(p.partitions, String), kept = range(p.retention_ms, retention);
  return [p.name_prefix && `names begin with ${p.name_prefix}`, p.name_pattern && `names match ${p.name_pattern}`, partitions && `partitions: ${partitions}`, kept && `kept for ${kept}`].filter(Boolean) as string[];
}

function EditPolicy({ e, policy, onClose, done }: { e: Environment; policy: Policy; onClose: () => void; done: () => void }) {
  const [prefix, setPrefix] = useState(policy.name_prefix);
  const [pattern, setPattern] = useState(policy.name_pattern);
  const [fewest, setFewest] = useState(text(policy.partitions.min));
  const [most, setMost] = useState(text(policy.partitions.max));
  const [shortest, setShortest] = useState(text(policy.retention_ms.min));
  const [longest, setLongest] = useState(text(policy.retention_ms.max));
  const [words, setWords] = useState(policy.description);
  const submit = async () => {
    await call('PUT', `/leat/v1/environments/${e.id}/topic-policy`, {
      name_prefix: prefix, name_pattern: pattern, partitions: { min: number(fewest), max: number(most) }, retention_ms: { min: number(shortest), max: number(longest) }, description: words });
    toast('The policy holds for topics that are made from now on.');
    done();
  };
  const whole = (set: (v: string) => void) => (x: { currentTarget: HTMLInputElement }) => set(x.currentTarget.value.replace(/\D/g, ''));
  return (
    <FormOverlay title={`Topics in ${e.display_name}`} action="Save policy" onClose={onClose} submit={submit}>
      <p class="help">Holds whichever way a topic is made: here, by REST, or by a Kafka client. Topics that exist stay as they are.</p>
      <Field label="Names begin with" help="Empty: with anything.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={prefix} spellcheck={false} placeholder="payments." onInput={x => setPrefix(x.currentTarget.value)} />}</Field>
      <Field label="Names match" help="A regular expression for the whole name. Empty: any.">{(id, d) => <input id={id} aria-describedby={d} class="in mono" value={pattern} spellcheck={false} placeholder="[a-z]+(\.[a-z0-9-]+)*" onInput={x => setPattern(x.currentTarget.value)} />}</Field>
      <Field label="Partitions, at least">{(id, d) => <input id={id} aria-describedby={d} class="in" inputMode="numeric" value={fewest} onInput={whole(setFewest)} />}</Field>
      <Field label="Partitions, at most">{(id, d) => <input id={id} aria-describedby={d} class="in" inputMode="numeric" value={most} onInput={whole(setMost)} />}</Field>
      <Field label="Records kept at least">{(id, d) => <Pick id={id} describe={d} value={shortest} units={TIME_UNITS} start={2} onChange={setShortest} />}</Field>
      <Field label="Records kept at most">{(id, d) => <Pick id={id} describe={d} value={longest} units={TIME_UNITS} start={2} onChange={setLongest} />}</Field>
      <Field label="In words" help="Shown to who is refused.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={words} onInput={x => setWords(x.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

function Name({ e, onClose, done }: { e?: Environment; onClose: () => void; done: () => void }) {
  const [name, setName] = useState(e?.display_name || '');
  const submit = async () => { await (e ? patch(`/org/v2/environments/${e.id}`, { display_name: name }) : post('/org/v2/environments', { display_name: name })); done(); };
  return (
    <FormOverlay title={e ? `Rename ${e.display_name}` : 'New environment'} action={e ? 'Rename' : 'Create'} onClose={onClose} submit={submit} disabled={!name.trim()}>
      <Field label="Name" help="A team, or a stage of its work.">{(id, d) => <input id={id} aria-describedby={d} class="in" value={name} autofocus onInput={x => setName(x.currentTarget.value)} />}</Field>
    </FormOverlay>
  );
}

// One row asks for its own policy; the form stands outside the table.
function PolicyCell({ e, version, edit }: { e: Environment; version: number; edit: (p: Policy) => void }) {
  const policy = useGet<Policy>(`/leat/v1/environments/${e.id}/topic-policy`, 0);
  useEffect(() => { if (version) policy.reload(); }, [version]);
  const words = policy.value ? inWords(policy.value) : [];
  return (
    <>
      {policy.error ? policy.error : words.length ? words.map(w => <div>{w}</div>) : <div class="quiet-ink">{policy.value ? 'any topic' : ' '}</div>}
      {policy.value && <Button kind="small" icon="pencil" aria-label={`Topic policy of ${e.display_name}`} onClick={() => edit(policy.value!)}>Policy</Button>}
    </>
  );
}

export function Environments() {
  const list = useGet<Environment[]>('/org/v2/environments', 0, all);
  const clusters = useGet<Cluster[]>('/leat/v1/clusters', 0, all);
  const [naming, nameOne] = useState<Environment | 'new' | null>(null);
  const [leaving, leave] = useState<Environment | null>(null);
  const [policy, setPolicy] = useState<[Environment, Policy] | null>(null);
  const [version, setVersion] = useState(0);
  const mine = (e: Environment) => (clusters.value || []).filter(c => c.environment.id === e.id);
  const remove = async (e: Environment) => { await call('DELETE', `/org/v2/environments/${e.id}`); toast(`${e.display_name} is deleted.`); list.reload(); };
  return (
    <>
      {naming && <Name e={naming === 'new' ? undefined : naming} onClose={() => nameOne(null)} done={list.reload} />}
      {policy && <EditPolicy e={policy[0]} policy={policy[1]} onClose={() => setPolicy(null)} done={() => setVersion(version + 1)} />}
      {leaving && <DeleteOverlay what="environment" name={leaving.display_name} lost={['its name and its topic policy; it holds no cluster']} onClose={() => leave(null)} submit={() => remove(leaving)} />}
      <Head title="Environments" lead={list.value ? `${plural(list.value.length, 'environment')}, each with clusters of its own and a policy for their topics.` : ' '} actions={<Button kind="primary" icon="plus" onClick={() => nameOne('new')}>New environment</Button>} />
      {list.error && <Banner>{list.error}</Banner>}
      <Section title="All environments">
        {!list.value ? (!list.error && <Skeleton />) : <Table label="Environments" rows={list.value} rowKey={e => e.id} columns={[
          { title: 'Environment', cell: e => <>{e.display_name}<small class="mono">{e.id}</small></> },
          { title: 'Clusters', cell: e => mine(e).length ? mine(e).map(c => <div><a href={`/clusters/${c.id}`}>{c.display_name}</a></div>) : <span class="quiet-ink">none</span> },
          { title: 'Topics', cell: e => <PolicyCell e={e} version={version} edit={p => setPolicy([e, p])} /> },
          { title: '', num: true, cell: e => <><Button kind="small" icon="pencil" aria-label={`Rename ${e.display_name}`} onClick={() => nameOne(e)}>Rename</Button>{clusters.value && mine(e).length === 0 && <> <Button kind="small" icon="trash" aria-label={`Delete ${e.display_name}`} onClick={() => leave(e)}>Delete</Button></>}</> },
        ]} />}
      </Section>
    </>
  );
}
