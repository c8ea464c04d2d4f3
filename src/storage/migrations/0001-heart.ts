// The first schema: settings, tasks, audit, identity, credentials, protections, pushes. Written as SQL text with three
// words that differ between the engines ({id}, {int}, {strict}); everything else is the same on both.
import { sql } from 'kysely';
import type { Migration } from './migration.ts';

const STATEMENTS = `
create table settings (name text primary key, value text not null, updated_at {int} not null) {strict};

create table tasks (
  id {id}, kind text not null, payload text not null, run_at {int} not null, attempts {int} not null default 0,
  unique_key text, claimed_until {int}, claim text, last_error text, created_at {int} not null) {strict};
create unique index tasks_unique_key on tasks (unique_key) where unique_key is not null;
create index tasks_run_at on tasks (run_at);

create table audit_events (
  id {id}, created_at {int} not null, author_id {int}, author_name text not null, credential_id {int}, credential_kind text,
  credential_name text, door text not null, action text not null, result text not null, entity_type text not null,
  entity_id {int}, entity_path text, target_type text, target_id text, target_details text, ip_address text,
  message text not null, details text) {strict};
create index audit_events_created on audit_events (created_at);
create index audit_events_entity on audit_events (entity_type, entity_id);
create index audit_events_credential on audit_events (credential_id);

create table audit_refusals (
  minute {int} not null, ip_address text not null, door text not null, code text not null, count {int} not null,
  primary key (minute, ip_address, door, code)) {strict};

create table users (
  id {id}, type text not null check (type in ('human', 'project_bot', 'service_account', 'ghost')),
  state text not null check (state in ('active', 'blocked', 'deactivated', 'banned', 'deleted')),
  username text not null, username_lower text unique, name text not null, email text not null, email_lower text unique,
  admin {int} not null, external {int} not null, can_create_group {int} not null, projects_limit {int} not null,
  note text, bio text, password_digest text, password_changed_at {int}, preferences text, status text, avatar_key text,
  bot_project_id {int}, bot_namespace_id {int}, created_by_user_id {int}, created_at {int} not null,
  updated_at {int} not null, confirmed_at {int}, last_sign_in_at {int}, current_sign_in_at {int}, deleted_at {int}) {strict};
create index users_bot_project on users (bot_project_id) where bot_project_id is not null;
create index users_bot_namespace on users (bot_namespace_id) where bot_namespace_id is not null;

create table user_emails (
  id {id}, user_id {int} not null references users (id), email text not null, email_lower text not null unique,
  confirmed_at {int}, created_at {int} not null) {strict};
create index user_emails_user on user_emails (user_id);

create table password_locks (
  user_id {int} primary key references users (id), failures {int} not null, window_started_at {int} not null,
  locked_until {int}) {strict};

create table namespaces (
  id {id}, kind text not null check (kind in ('user', 'group')), parent_id {int} references namespaces (id),
  owner_user_id {int} references users (id), name text not null, path text not null, full_path text not null,
  full_path_lower text unique, lineage text not null, visibility text not null, description text not null,
  settings text not null, created_at {int} not null, updated_at {int} not null, deleted_at {int}) {strict};
create index namespaces_parent on namespaces (parent_id);
create index namespaces_owner on namespaces (owner_user_id) where owner_user_id is not null;
create index namespaces_lineage on namespaces (lineage {pattern});

create table projects (
  id {id}, namespace_id {int} not null references namespaces (id), name text not null, path text not null,
  full_path text not null, full_path_lower text unique, description text, visibility text not null, default_branch text,
  archived {int} not null, creator_id {int}, repository_id {int}, forked_from_project_id {int}, features text not null,
  settings text not null, topics text not null, created_at {int} not null, updated_at {int} not null,
  last_activity_at {int} not null, deleted_at {int}) {strict};
create index projects_namespace on projects (namespace_id);
create index projects_deleted on projects (deleted_at) where deleted_at is not null;
create unique index projects_name_in_namespace on projects (namespace_id, lower(name)) where deleted_at is null;

create table repositories (
  id {id}, project_id {int} not null references projects (id), created_at {int} not null, trashed_at {int}) {strict};
create index repositories_project on repositories (project_id);

create table path_redirects (
  full_path_lower text primary key, project_id {int} references projects (id), namespace_id {int} references namespaces (id),
  created_at {int} not null) {strict};
create index path_redirects_project on path_redirects (project_id);
create index path_redirects_namespace on path_redirects (namespace_id);

create table members (
  id {id}, user_id {int} not null references users (id), project_id {int} references projects (id),
  namespace_id {int} references namespaces (id), access_level {int} not null, expires_at text, created_by_user_id {int},
  created_at {int} not null, check ((project_id is null) <> (namespace_id is null))) {strict};
create unique index members_project_user on members (project_id, user_id) where project_id is not null;
create unique index members_namespace_user on members (namespace_id, user_id) where namespace_id is not null;
create index members_user on members (user_id);

create table shares (
  id {id}, project_id {int} references projects (id), namespace_id {int} references namespaces (id),
  group_id {int} not null references namespaces (id), access_level {int} not null, expires_at text,
  created_at {int} not null, check ((project_id is null) <> (namespace_id is null))) {strict};
create unique index shares_project on shares (project_id, group_id) where project_id is not null;
create unique index shares_namespace on shares (namespace_id, group_id) where namespace_id is not null;
create index shares_group on shares (group_id);

create table credentials (
  id {id}, kind text not null, secret_digest text unique, digest_key {int}, fingerprint text unique,
  user_id {int} references users (id), runner_id {int}, project_id {int} references projects (id),
  group_id {int} references namespaces (id), job_id {int} unique, name text not null, description text,
  scopes text not null, impersonation {int} not null, access_level {int}, created_at {int} not null, created_by_user_id {int},
  created_by_credential_id {int}, expires_at {int}, ended_at {int}, end_reason text, family_id {int}, successor_id {int},
  forgotten_at {int}) {strict};
create index credentials_user on credentials (user_id, kind);
create index credentials_project on credentials (project_id, kind) where project_id is not null;
create index credentials_group on credentials (group_id, kind) where group_id is not null;
create index credentials_family on credentials (family_id) where family_id is not null;
create index credentials_kind on credentials (kind, id);
create index credentials_expiring on credentials (expires_at) where expires_at is not null and ended_at is null;
create index credentials_ended on credentials (ended_at) where ended_at is not null and forgotten_at is null;

create table credential_uses (
  credential_id {int} primary key references credentials (id), last_used_at {int}, ips_written_at {int}, ips text not null) {strict};
create index credential_uses_last on credential_uses (last_used_at);

create table credential_secrets (
  credential_id {int} not null references credentials (id), purpose text not null, sealed text not null, key_id {int} not null,
  drop_at {int}, primary key (credential_id, purpose)) {strict};
create index credential_secrets_drop on credential_secrets (drop_at) where drop_at is not null;

create table credential_notices (
  credential_id {int} not null references credentials (id), notice text not null, noticed_at {int} not null,
  primary key (credential_id, notice)) {strict};

create table deploy_tokens (credential_id {int} primary key references credentials (id), username text not null) {strict};

create table ssh_keys (
  credential_id {int} primary key references credentials (id), title text not null, key_text text not null,
  fingerprint_md5 text not null, public {int} not null, usage_type text not null) {strict};

create table deploy_key_projects (
  id {id}, credential_id {int} not null references credentials (id), project_id {int} not null references projects (id),
  can_push {int} not null, created_at {int} not null, updated_at {int} not null) {strict};
create unique index deploy_key_projects_pair on deploy_key_projects (credential_id, project_id);
create index deploy_key_projects_project on deploy_key_projects (project_id);

create table protected_refs (
  id {id}, project_id {int} not null references projects (id), ref_type text not null check (ref_type in ('branch', 'tag')),
  name text not null, allow_force_push {int} not null, code_owner_approval_required {int} not null, created_at {int} not null) {strict};
create unique index protected_refs_name on protected_refs (project_id, ref_type, name);

create table protected_ref_levels (
  id {id}, protected_ref_id {int} not null references protected_refs (id) on delete cascade, operation text not null,
  access_level {int}, user_id {int}, group_id {int}, deploy_key_id {int}) {strict};
create index protected_ref_levels_ref on protected_ref_levels (protected_ref_id);

create table pushes (
  id {id}, project_id {int} not null references projects (id), repository_id {int} not null, user_id {int},
  credential_id {int}, door text not null, updates text not null, options text not null, state text not null,
  created_at {int} not null, done_at {int}) {strict};
create index pushes_state on pushes (state) where state = 'intended';
create index pushes_project on pushes (project_id)
`;

const WORDS = {
  sqlite: { id: 'integer primary key autoincrement', int: 'integer', strict: 'strict', pattern: '' },
  postgres: {
    id: 'bigint generated by default as identity primary key',
    int: 'bigint',
    strict: '',
    pattern: 'text_pattern_ops',
  },
} as const;

export const heart: Migration = {
  id: 1,
  name: 'heart',
  async up(q, engine) {
    const words: Record<string, string> = WORDS[engine];
    for (const statement of STATEMENTS.split(/;\s*\n/)) {
      const text = statement.replace(/\{(\w+)\}/g, (_, word: string) => words[word] ?? '').trim();
      if (text !== '') await sql.raw(text).execute(q);
    }
  },
};
