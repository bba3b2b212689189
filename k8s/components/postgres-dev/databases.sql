-- Run once, when the volume is empty. Each service owns its database; none reads another's.
CREATE DATABASE users;
CREATE DATABASE products;
CREATE DATABASE orders;
CREATE DATABASE payments;
CREATE DATABASE reviews;
