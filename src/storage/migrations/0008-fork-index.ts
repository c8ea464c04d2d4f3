// One index over the projects that are forks: every page of projects tells how many forks each has, and few projects are any.
import { sql } from 'kysely';
import type { Migration } from './migration.ts';

export const forkIndex: Migration = {
  id: 8,
  name: 'fork-index',
  async up(q) {
    await sql
      .raw('create index projects_forked on projects (forked_from_project_id) where forked_from_project_id is not null')
      .execute(q);
  },
};
