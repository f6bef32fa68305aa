// Faults of a fleet under load: two nodes of two workers, whatever happens to them, to Redis or to PostgreSQL: the checker
// finds no broken promise. The numbers are those of docs/guarantees.md.

import test from "node:test";
import { face } from "./stage.mjs";
import nodes from "./troubles/nodes.mjs";
import postgres from "./troubles/postgres.mjs";
import redis from "./troubles/redis.mjs";

for (const trouble of [...nodes, ...redis, ...postgres]) test(trouble.name, { timeout: 120_000 }, (t) => face(trouble, t));
