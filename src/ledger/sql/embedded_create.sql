-- embedded_create: makes the database of the private cluster.
-- parameters: none
-- rows: none
-- write
create database berth owner berth encoding 'UTF8' template template0
