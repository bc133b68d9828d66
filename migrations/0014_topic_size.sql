-- How many topics and partitions a cluster has, from the index alone.
CREATE INDEX topic_by_size ON topic(cluster_id, internal, partitions);
