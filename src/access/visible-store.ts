// The second question: which places would `decide` allow? The same rules as one SQL condition, so that a list holds just what
// each row would answer alone; a property test on random worlds holds `list == filter(decide)`.
import { type RawBuilder, sql } from 'kysely';
import { creatorOf } from '../credentials/deploy-key-creator.ts';
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import { isTokenBot } from '../identity/records.ts';
import { GUEST } from '../identity/roles.ts';
import { type Clock, isoDate } from '../kernel/clock.ts';
import { type ActionAt, ruleOf } from './actions.ts';
import { isAdministrator, judge } from './judge.ts';
import type { Rule } from './rule.ts';

/** A condition over aliased tables, for `.where(…)`. */
export type Condition = RawBuilder<boolean>;

const ALWAYS: Condition = sql<boolean>`1 = 1`;
const NEVER: Condition = sql<boolean>`1 = 0`;
/** What is always or never so is left out: a database would ask the other ways first, row by row. */
const any = (ways: readonly Condition[]): Condition => {
  const parts = ways.filter((way) => way !== NEVER);
  if (parts.includes(ALWAYS)) return ALWAYS;
  return parts.length === 0 ? NEVER : sql<boolean>`(${sql.join(parts, sql` or `)})`;
};
const all = (conditions: readonly Condition[]): Condition => {
  const parts = conditions.filter((condition) => condition !== ALWAYS);
  if (parts.includes(NEVER)) return NEVER;
  return parts.length === 0 ? ALWAYS : sql<boolean>`(${sql.join(parts, sql` and `)})`;
};

/** Projects at which the action would be allowed. Aliases: `p` for projects, `n` for the namespace of the project. */
export function visibleProjects(
  clock: Clock,
  credential: VerifiedCredential,
  action: ActionAt<'project'> = 'project:read',
): Condition {
  const rule: Rule = ruleOf(action);
  if (judge(credential, action, { place: null }).refusal?.lock === 'scope') return NEVER;
  const today = isoDate(clock.now());
  const reach = projectReach(credential);
  const itself = credential.holder.type === 'deploy_token' || credential.holder.type === 'deploy_key';
  const admin = isAdministrator(credential);
  const open = openCondition(credential, sql`p.visibility`);
  const held = (levels: readonly number[]) => heldAtProject(credential, today, levels);
  const member = admin || itself ? reach : all([reach, held(from(GUEST))]);

  const ways: Condition[] = [];
  if (credential.holder.type === 'deploy_key' && rule.effect === 'write') {
    const creator = creatorOf(credential);
    if (creator)
      ways.push(all([enabledProjects(credential, true), visibleProjects(clock, creator, 'repository:push')]));
  } else if (itself) ways.push(reach);
  else {
    if (rule.roles?.length) ways.push(all([reach, held(rule.roles)]));
    if (admin && rule.admin) ways.push(reach);
    if (rule.visibility) ways.push(rule.effect === 'read' ? open : all([reach, open]));
  }
  const conditions: Condition[] = [sql<boolean>`p.deleted_at is null`, any(ways)];
  if (rule.feature) {
    conditions.push(sql<boolean>`p.features not like ${featureLike(rule.feature, 'disabled')}`);
    conditions.push(any([sql<boolean>`p.features not like ${featureLike(rule.feature, 'private')}`, member]));
  }
  if (rule.effect === 'write' && !rule.archived) conditions.push(sql<boolean>`p.archived = 0`);
  return all(conditions);
}

/** Groups at which the action would be allowed. Alias: `n` for namespaces; only those of kind group pass. */
export function visibleGroups(
  clock: Clock,
  credential: VerifiedCredential,
  action: ActionAt<'group'> = 'group:read',
): Condition {
  const rule: Rule = ruleOf(action);
  if (judge(credential, action, { place: null }).refusal?.lock === 'scope') return NEVER;
  const today = isoDate(clock.now());
  const reach = groupReach(credential);
  const ways: Condition[] = [];
  if (rule.roles?.length) ways.push(all([reach, heldAtNamespace(credential, today, rule.roles)]));
  if (isAdministrator(credential) && rule.admin) ways.push(reach);
  if (rule.visibility && credential.holder.type !== 'deploy_token')
    ways.push(openCondition(credential, sql`n.visibility`));
  const user = actingUser(credential);
  if (rule.visibility && rule.roles?.includes(GUEST) && user && !isTokenBot(user))
    ways.push(all([reach, memberBelow(user.id, today)]));
  return all([sql<boolean>`n.deleted_at is null`, sql<boolean>`n.kind = 'group'`, any(ways)]);
}

/** Projects in which the holder holds at least `level` by membership, ownership or share: `membership`, `min_access_level`. */
export function heldProjects(clock: Clock, credential: VerifiedCredential, level: number): Condition {
  return heldAtProject(credential, isoDate(clock.now()), from(level));
}

/** Groups in which the holder holds at least `level`. */
export function heldGroups(clock: Clock, credential: VerifiedCredential, level: number): Condition {
  return heldAtNamespace(credential, isoDate(clock.now()), from(level));
}

const LEVELS = [5, 10, 15, 20, 25, 30, 40, 50];
const from = (level: number) => LEVELS.filter((each) => each >= level);

/** `features` is always written by JSON.stringify, so its text has one form on both engines. */
const featureLike = (feature: string, level: string) => `%"${feature}":"${level}"%`;

function openCondition(credential: VerifiedCredential, column: RawBuilder<unknown>): Condition {
  if (credential.holder.type === 'deploy_token' || credential.holder.type === 'deploy_key') return NEVER;
  const user = actingUser(credential);
  const internal = credential.holder.type === 'operator' || (user !== null && user.external === 0);
  return internal ? sql<boolean>`${column} in ('public', 'internal')` : sql<boolean>`${column} = 'public'`;
}

/** Projects in which a deploy key is enabled; with `toPush` those in which it may push. */
function enabledProjects(credential: VerifiedCredential, toPush: boolean): Condition {
  return sql<boolean>`exists (select 1 from deploy_key_projects d where d.credential_id = ${credential.id}
    and d.project_id = p.id and d.can_push >= ${toPush ? 1 : 0})`;
}

function projectReach(credential: VerifiedCredential): Condition {
  const { reach } = credential;
  switch (reach.type) {
    case 'everything':
      return ALWAYS;
    case 'project':
      return sql<boolean>`p.id = ${reach.projectId}`;
    case 'group':
      return sql<boolean>`n.lineage like ${`%/${reach.groupId}/%`}`;
    case 'enabled_projects':
      return enabledProjects(credential, false);
  }
}

function groupReach({ reach }: VerifiedCredential): Condition {
  switch (reach.type) {
    case 'everything':
      return ALWAYS;
    case 'group':
      return sql<boolean>`n.lineage like ${`%/${reach.groupId}/%`}`;
    default:
      return NEVER;
  }
}

const alive = (alias: 'm' | 's', today: string): Condition =>
  alias === 'm'
    ? sql<boolean>`(m.expires_at is null or m.expires_at > ${today})`
    : sql<boolean>`(s.expires_at is null or s.expires_at > ${today})`;

// What somebody holds is asked from his side: his memberships, then down the tree. Such a set is made once a list and found by
// index, where a question for each row of the list would be answered a hundred thousand times. It is one set, however it comes
// about: PostgreSQL walks the whole table where two sets are joined by `or`.

function heldAtProject(credential: VerifiedCredential, today: string, levels: readonly number[]): Condition {
  const user = actingUser(credential);
  if (!user || levels.length === 0) return NEVER;
  const ways = [
    sql`select m.project_id from members m where m.user_id = ${user.id} and m.project_id is not null
      and m.access_level in (${sql.join(levels)}) and ${alive('m', today)}`,
    sql`select hp.id from projects hp where ${heldAtNamespace(credential, today, levels, sql`hp.namespace_id`)}`,
  ];
  if (!isTokenBot(user))
    ways.push(sql`select project_id from (with recursive ${ownGroups(user.id, today, levels)}
      select s.project_id from own join namespaces g on g.id = own.id join shares s on s.group_id = own.id
      where g.deleted_at is null and s.project_id is not null and s.access_level in (${sql.join(levels)})
      and ${alive('s', today)}) by_share`);
  return sql<boolean>`p.id in (${sql.join(ways, sql` union all `)})`;
}

function heldAtNamespace(
  credential: VerifiedCredential,
  today: string,
  levels: readonly number[],
  column = sql`n.id`,
): Condition {
  const user = actingUser(credential);
  if (!user || levels.length === 0) return NEVER;
  const tables = [ownGroups(user.id, today, levels)];
  const ways = [sql`select id from own`];
  if (!isTokenBot(user)) {
    tables.push(sharedGroups(today, levels));
    ways.push(sql`select id from shared`);
  }
  if (levels.includes(50)) ways.push(sql`select id from namespaces where owner_user_id = ${user.id}`);
  return sql<boolean>`${column} in (with recursive ${sql.join(tables)} ${sql.join(ways, sql` union `)})`;
}

/** The table `own`: the groups in which the user holds one of the levels, and all below them. */
function ownGroups(userId: number, today: string, levels: readonly number[]): RawBuilder<unknown> {
  return sql`own(id) as (
    select m.namespace_id from members m where m.user_id = ${userId} and m.namespace_id is not null
      and m.access_level in (${sql.join(levels)}) and ${alive('m', today)}
    union select x.id from own join namespaces x on x.parent_id = own.id)`;
}

/** The table `shared`: the groups that are shared with one of `own`, and all below them. */
function sharedGroups(today: string, levels: readonly number[]): RawBuilder<unknown> {
  return sql`shared(id) as (
    select s.namespace_id from own join namespaces g on g.id = own.id join shares s on s.group_id = own.id
      where g.deleted_at is null and s.namespace_id is not null and s.access_level in (${sql.join(levels)})
      and ${alive('s', today)}
    union select x.id from shared join namespaces x on x.parent_id = shared.id)`;
}

function memberBelow(userId: number, today: string): Condition {
  return sql<boolean>`exists (select 1 from members m left join projects mp on mp.id = m.project_id
    join namespaces b on b.id = coalesce(m.namespace_id, mp.namespace_id)
    where m.user_id = ${userId} and m.access_level >= 10 and b.lineage like n.lineage || '%'
    and b.deleted_at is null and (m.project_id is null or mp.deleted_at is null) and ${alive('m', today)})`;
}
