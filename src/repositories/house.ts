// What this room's deeds are given: the house, and the repositories on disk.
import type { House } from '../storage/house.ts';
import type { Repositories } from './repository-files.ts';

export type RepositoryHouse = House & { readonly repositories: Repositories };
