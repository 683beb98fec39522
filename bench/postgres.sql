-- What PostgreSQL keeps of a task, as small as it can be: ids as uuid, names as the numbers that an application would
-- give them, times as Unix milliseconds, so that a day is a division. Wide columns first, so that none is padded.
CREATE TABLE tasks (
  id uuid NOT NULL,
  finished bigint NOT NULL,
  arrived bigint NOT NULL,
  project integer NOT NULL,
  source integer NOT NULL,
  width integer NOT NULL,
  height integer NOT NULL,
  duration_ms integer NOT NULL,
  codec smallint NOT NULL,
  tier smallint NOT NULL,
  PRIMARY KEY (project, source, id)
);
CREATE INDEX tasks_finished ON tasks (project, finished);

-- A cell is spread over shards, one a connection, else transactions would wait for each other's rows until they are
-- synced; a reader adds them up. Room on each page keeps updates on it.
CREATE TABLE totals (
  seconds bigint NOT NULL,
  minutes bigint NOT NULL,
  tasks bigint NOT NULL,
  project integer NOT NULL,
  day integer NOT NULL,
  shard integer NOT NULL,
  codec smallint NOT NULL,
  tier smallint NOT NULL,
  PRIMARY KEY (project, day, codec, tier, shard)
) WITH (fillfactor = 40);
