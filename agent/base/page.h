/* The page for people at "/": what is installed here and how it is doing. */
#ifndef BERTH_NATIVE_PAGE_H
#define BERTH_NATIVE_PAGE_H

struct base;
struct http_req;

void page_reply(struct base *base, struct http_req *r);

#endif
