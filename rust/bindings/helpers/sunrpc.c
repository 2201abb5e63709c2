// SPDX-License-Identifier: GPL-2.0

unsigned int rnfs4_helper_xdr_stream_remaining(const struct xdr_stream *xdr)
{
	return xdr_stream_remaining(xdr);
}

void rnfs4_helper_xdr_set_scratch_buffer(struct xdr_stream *xdr, void *buf, size_t len)
{
	xdr_set_scratch_buffer(xdr, buf, len);
}

void rnfs4_helper_rpc_set_port(struct sockaddr *sap, unsigned short port)
{
	rpc_set_port(sap, port);
}

unsigned short rnfs4_helper_rpc_get_port(const struct sockaddr *sap)
{
	return rpc_get_port(sap);
}

bool rnfs4_helper_rpc_cmp_addr_port(const struct sockaddr *a, const struct sockaddr *b)
{
	return rpc_cmp_addr_port(a, b);
}

/* Whether the connection of @clnt stands; @cookie is what it is known by until it breaks. */
bool rnfs4_helper_rpc_clnt_connected(struct rpc_clnt *clnt, unsigned int *cookie)
{
	struct rpc_xprt *xprt;
	bool connected;

	rcu_read_lock();
	xprt = rcu_dereference(clnt->cl_xprt);
	*cookie = READ_ONCE(xprt->connect_cookie);
	/* The cookie changes before a connection is called connected. */
	smp_rmb();
	connected = xprt_connected(xprt);
	rcu_read_unlock();
	return connected;
}

static bool rnfs4_still_connected(struct rpc_xprt *xprt, unsigned int cookie)
{
	return xprt_connected(xprt) && READ_ONCE(xprt->connect_cookie) == cookie;
}

/* Has @task sleep until the connection breaks that is known by @cookie; false if it has. A disconnect wakes the whole queue. */
bool rnfs4_helper_rpc_sleep_while_connected(struct rpc_task *task, unsigned int cookie)
{
	struct rpc_xprt *xprt = task->tk_xprt;

	if (!rnfs4_still_connected(xprt, cookie))
		return false;
	rpc_sleep_on(&xprt->pending, task, NULL);
	/* It may have broken before the task was in the queue. */
	if (!rnfs4_still_connected(xprt, cookie))
		rpc_wake_up_queued_task(&xprt->pending, task);
	return true;
}

/* Has every task that sleeps on the connection of @clnt look again. */
void rnfs4_helper_rpc_wake_pending(struct rpc_clnt *clnt)
{
	rcu_read_lock();
	xprt_wake_pending_tasks(rcu_dereference(clnt->cl_xprt), -EAGAIN);
	rcu_read_unlock();
}
