// Which door is guarded by what: principals, ACLs and roles are separate things.
import { Section, Table } from './ui';

const doors: { door: string; who: string; guard: string; unset: string }[] = [
  { door: 'Kafka port', who: 'a service account or a person with a cluster key, a SCRAM user, a client certificate, a bearer token', guard: 'ACLs of that principal, on this cluster', unset: 'refused' },
  { door: 'REST with a cluster key', who: 'the owner of the key', guard: 'the same ACLs', unset: 'refused' },
  { door: 'REST with a cloud key', who: 'the owner of the key: a service account or a person', guard: 'roles bound to the owner', unset: 'refused' },
  { door: 'this console', who: 'whoever is signed in, and the group mappings that hold for them', guard: 'roles bound to that person or those mappings', unset: 'refused' },
];

export const Doors = () => (
  <Section title="What guards which door" note="an ACL says nothing about the console, a role nothing about the Kafka port">
    <Table label="Doors" rows={doors} rowKey={d => d.door} columns={[
      { title: 'Door', cell: d => d.door },
      { title: 'Principal', narrow: 'p3', cell: d => <span class="fold">{d.who}</span> },
      { title: 'Decided by', cell: d => <span class="fold">{d.guard}</span> },
      { title: 'With none', narrow: 'p2', cell: d => d.unset },
    ]} />
  </Section>
);
