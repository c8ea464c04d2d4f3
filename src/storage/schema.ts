// The tables as TypeScript sees them, one interface a table, for Kysely. It says nothing about who may write them:
// each table is kept by the `*-store.ts` of one room, named beside it. Times are milliseconds UTC, dates `YYYY-MM-DD`
// text, booleans 0 or 1, JSON is text; so a row reads alike on both engines.
import type { Generated } from 'kysely';

export type Flag = 0 | 1;

export interface Schema {
  schema_migrations: SchemaMigrationTable;
  settings: SettingTable;
  tasks: TaskTable;
  audit_events: AuditEventTable;
  audit_refusals: AuditRefusalTable;
  audit_batches: AuditBatchTable;
  audit_seals: AuditSealTable;
  holds: HoldTable;
  users: UserTable;
  user_emails: UserEmailTable;
  mail_links: MailLinkTable;
  password_locks: PasswordLockTable;
  namespaces: NamespaceTable;
  projects: ProjectTable;
  repositories: RepositoryTable;
  path_redirects: PathRedirectTable;
  members: MemberTable;
  shares: ShareTable;
  credentials: CredentialTable;
  credential_uses: CredentialUseTable;
  credential_secrets: CredentialSecretTable;
  credential_notices: CredentialNoticeTable;
  deploy_tokens: DeployTokenTable;
  ssh_keys: SshKeyTable;
  deploy_key_projects: DeployKeyProjectTable;
  protected_refs: ProtectedRefTable;
  protected_ref_levels: ProtectedRefLevelTable;
  pushes: PushTable;
  avatars: AvatarTable;
  blobs: BlobTable;
  lfs_objects: LfsObjectTable;
  lfs_locks: LfsLockTable;
}

// ---- storage, settings, tasks, audit -------------------------------------------------------------------------------

export interface SchemaMigrationTable {
  id: number;
  name: string;
  applied_at: number;
}

/** settings/: only what an administrator changed; defaults live in code. */
export interface SettingTable {
  name: string;
  value: string;
  updated_at: number;
}

/** tasks/: durable work that must happen after a commit. */
export interface TaskTable {
  id: Generated<number>;
  kind: string;
  payload: string;
  run_at: number;
  attempts: Generated<number>;
  unique_key: string | null;
  claimed_until: number | null;
  claim: string | null;
  last_error: string | null;
  created_at: number;
}

/** audit/: who did what with which key. Ids without foreign keys: an audit row outlives what it speaks of. */
export interface AuditEventTable {
  id: Generated<number>;
  created_at: number;
  author_id: number | null;
  author_name: string;
  credential_id: number | null;
  credential_kind: string | null;
  credential_name: string | null;
  door: string;
  action: string;
  result: 'allowed' | 'refused' | 'failed';
  /** `User` `Group` `Project` `Gitlab::Audit::InstanceScope` (reference git-and-deploy 12.10) */
  entity_type: string;
  entity_id: number | null;
  entity_path: string | null;
  target_type: string | null;
  target_id: string | null;
  target_details: string | null;
  ip_address: string | null;
  message: string;
  /** JSON object with what else matters; never a secret */
  details: string | null;
}

/** audit/: refusals of strangers, counted per address, door and minute instead of stored one by one. */
export interface AuditRefusalTable {
  minute: number;
  ip_address: string;
  door: string;
  code: string;
  count: number;
}

/** audit/: a link of the chain over the events. Ids count from 1 without a gap. */
export interface AuditBatchTable {
  id: number;
  first_event_id: number;
  last_event_id: number;
  /** the highest id in this batch and all before it */
  high_event_id: number;
  count: number;
  /** of the batch before; 64 zeros for the first */
  previous_hash: string;
  hash: string;
  /** keyed digest of `hash`, so that who has only the database cannot chain anew */
  mac: string;
  key_id: number;
  sealed_at: number;
}

/** audit/: in which batch an event lies, and the hash of its columns. */
export interface AuditSealTable {
  event_id: number;
  batch_id: number;
  hash: string;
}

/** storage/: what must stand still until a time; for backups. */
export interface HoldTable {
  name: string;
  holder: string;
  until: number;
}

// ---- identity ------------------------------------------------------------------------------------------------------

export type UserState = 'active' | 'blocked' | 'deactivated' | 'banned' | 'deleted';
export type UserType = 'human' | 'project_bot' | 'service_account' | 'ghost';

export interface UserTable {
  id: Generated<number>;
  type: UserType;
  state: UserState;
  username: string;
  /** lower case; null once the user is deleted, so that the name is free again */
  username_lower: string | null;
  name: string;
  email: string;
  email_lower: string | null;
  admin: Flag;
  external: Flag;
  can_create_group: Flag;
  projects_limit: number;
  note: string | null;
  bio: string | null;
  /** argon2id in PHC form; null for those who cannot sign in */
  password_digest: string | null;
  password_changed_at: number | null;
  preferences: string | null;
  status: string | null;
  avatar_key: string | null;
  /** a bot's place, exactly one of the two; null for others */
  bot_project_id: number | null;
  bot_namespace_id: number | null;
  created_by_user_id: number | null;
  created_at: number;
  updated_at: number;
  confirmed_at: number | null;
  last_sign_in_at: number | null;
  current_sign_in_at: number | null;
  deleted_at: number | null;
}

export interface UserEmailTable {
  id: Generated<number>;
  user_id: number;
  email: string;
  email_lower: string;
  confirmed_at: number | null;
  created_at: number;
}

/** identity/: links sent by mail, by digest; used ones are gone. */
export interface MailLinkTable {
  id: Generated<number>;
  purpose: MailLinkPurpose;
  digest: string;
  email_id: number;
  created_at: number;
  expires_at: number;
}

/** APPEND ONLY: stored. */
export type MailLinkPurpose = 'confirm_email' | 'reset_password';

/** directory/: pictures of users. `data` is base64. */
export interface AvatarTable {
  key: string;
  user_id: number;
  media_type: string;
  data: string;
  created_at: number;
}

/** Failed passwords per account, shared by all nodes (reference access-tokens 2.4). */
export interface PasswordLockTable {
  user_id: number;
  failures: number;
  window_started_at: number;
  locked_until: number | null;
}

export type NamespaceKind = 'user' | 'group';
export type Visibility = 'private' | 'internal' | 'public';

/** Users' personal namespaces and groups. `lineage` is `/1/5/9/`: all ancestors and itself. */
export interface NamespaceTable {
  id: Generated<number>;
  kind: NamespaceKind;
  parent_id: number | null;
  owner_user_id: number | null;
  name: string;
  path: string;
  full_path: string;
  /** lower case; null once deleted */
  full_path_lower: string | null;
  lineage: string;
  visibility: Visibility;
  description: string;
  /** JSON of settings that only say how things are presented or created (project_creation_level, …) */
  settings: string;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

export interface ProjectTable {
  id: Generated<number>;
  namespace_id: number;
  name: string;
  path: string;
  /** of namespace and project, kept in step when a namespace is renamed or moved */
  full_path: string;
  full_path_lower: string | null;
  description: string | null;
  visibility: Visibility;
  default_branch: string | null;
  archived: Flag;
  creator_id: number | null;
  repository_id: number | null;
  forked_from_project_id: number | null;
  /** JSON object: feature name -> `enabled` | `private` | `disabled` (identity/features.ts) */
  features: string;
  /** JSON object of the other per-project settings */
  settings: string;
  topics: string;
  created_at: number;
  updated_at: number;
  last_activity_at: number;
  deleted_at: number | null;
}

/** repositories/: a repository on disk has an id of its own. */
export interface RepositoryTable {
  id: Generated<number>;
  project_id: number;
  created_at: number;
  trashed_at: number | null;
}

/** Old full paths. A project's old paths keep serving (reference git-and-deploy 3.3). */
export interface PathRedirectTable {
  full_path_lower: string;
  project_id: number | null;
  namespace_id: number | null;
  created_at: number;
}

/** Exactly one of project_id and namespace_id. */
export interface MemberTable {
  id: Generated<number>;
  user_id: number;
  project_id: number | null;
  namespace_id: number | null;
  access_level: number;
  /** date; from 00:00 UTC of it on the membership counts as none */
  expires_at: string | null;
  created_by_user_id: number | null;
  created_at: number;
}

/** `group_id` is the invited group, exactly one of project_id and namespace_id what is shared. */
export interface ShareTable {
  id: Generated<number>;
  project_id: number | null;
  namespace_id: number | null;
  group_id: number;
  access_level: number;
  expires_at: string | null;
  created_at: number;
}

// ---- credentials ---------------------------------------------------------------------------------------------------

/** Append only: these words are stored. */
export type StoredKind =
  | 'personal_access_token'
  | 'group_access_token'
  | 'project_access_token'
  | 'deploy_token'
  | 'deploy_key'
  | 'runner_token'
  | 'job_token'
  | 'trigger_token'
  | 'session'
  | 'user_ssh_key';

/** Append only. */
export type EndReason = 'revoked' | 'rotated' | 'reuse' | 'holder_deleted' | 'place_deleted' | 'signed_out' | 'expired';

/** Every key of every kind. `ended_at` may lie ahead: a rotation's overlap. */
export interface CredentialTable {
  id: Generated<number>;
  kind: StoredKind;
  /** keyed digest as hex; null once retention has ended, and for SSH keys */
  secret_digest: string | null;
  digest_key: number | null;
  /** SHA-256 of an SSH public key, base64 without padding */
  fingerprint: string | null;
  user_id: number | null;
  runner_id: number | null;
  project_id: number | null;
  /** a namespace of kind group */
  group_id: number | null;
  job_id: number | null;
  name: string;
  description: string | null;
  /** JSON array, in the order given */
  scopes: string;
  impersonation: Flag;
  /** project and group access tokens: the role that the bot was given, kept for lists when the bot is gone */
  access_level: number | null;
  created_at: number;
  created_by_user_id: number | null;
  created_by_credential_id: number | null;
  /** 00:00 UTC of a date for tokens; any instant for sessions */
  expires_at: number | null;
  ended_at: number | null;
  end_reason: EndReason | null;
  /** id of the first of the chain of rotations */
  family_id: number | null;
  successor_id: number | null;
  /** set once the row only remembers (retention ended, or a deploy token deleted): in no list */
  forgotten_at: number | null;
}

/** Hot and narrow, written behind. `ips`: JSON array of the newest five addresses. */
export interface CredentialUseTable {
  credential_id: number;
  last_used_at: number | null;
  ips_written_at: number | null;
  ips: string;
}

/** What must be given out again, sealed (AES-256-GCM). */
export interface CredentialSecretTable {
  credential_id: number;
  purpose: string;
  sealed: string;
  key_id: number;
  drop_at: number | null;
}

/** Which notices about a credential were already handed to the mail task. */
export interface CredentialNoticeTable {
  credential_id: number;
  notice: string;
  noticed_at: number;
}

export interface DeployTokenTable {
  credential_id: number;
  username: string;
}

export interface SshKeyTable {
  credential_id: number;
  title: string;
  key_text: string;
  fingerprint_md5: string;
  public: Flag;
  usage_type: string;
}

/** access/: in which projects a deploy key is enabled. */
export interface DeployKeyProjectTable {
  id: Generated<number>;
  credential_id: number;
  project_id: number;
  can_push: Flag;
  created_at: number;
  updated_at: number;
}

// ---- access --------------------------------------------------------------------------------------------------------

export interface ProtectedRefTable {
  id: Generated<number>;
  project_id: number;
  ref_type: 'branch' | 'tag';
  name: string;
  allow_force_push: Flag;
  code_owner_approval_required: Flag;
  created_at: number;
}

/** One entry of a rule; entries are OR-ed. */
export interface ProtectedRefLevelTable {
  id: Generated<number>;
  protected_ref_id: number;
  operation: 'push' | 'merge' | 'unprotect' | 'create';
  access_level: number | null;
  user_id: number | null;
  group_id: number | null;
  deploy_key_id: number | null;
}

// ---- repositories --------------------------------------------------------------------------------------------------

/** A push's intent, written before git moves refs; done exactly once, by its completion or by the reconcile at start. */
export interface PushTable {
  id: Generated<number>;
  project_id: number;
  repository_id: number;
  user_id: number | null;
  credential_id: number | null;
  door: string;
  /** JSON array of {ref, oldId, newId} */
  updates: string;
  /** JSON array of push options */
  options: string;
  state: 'intended' | 'done' | 'abandoned';
  created_at: number;
  done_at: number | null;
}

// ---- blobs and git LFS -----------------------------------------------------------------------------------------------

/** storage/: files of any size beside the database. Doomed ones have no owner any more and are collected. */
export interface BlobTable {
  id: Generated<number>;
  /** random, 32 hex characters */
  storage_key: string;
  sha256: string;
  size: number;
  created_at: number;
  doomed_at: number | null;
}

/** repositories/: an object is always looked up together with its repository. */
export interface LfsObjectTable {
  id: Generated<number>;
  repository_id: number;
  /** 64 lower-case hex characters */
  oid: string;
  size: number;
  blob_id: number;
  created_at: number;
}

/** repositories/: a path that one user keeps to himself. */
export interface LfsLockTable {
  id: Generated<number>;
  repository_id: number;
  path: string;
  user_id: number;
  locked_at: number;
}
