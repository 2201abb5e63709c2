// SPDX-License-Identifier: GPL-2.0

loff_t rnfs4_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

bool rnfs4_helper_file_is_last(struct file *file)
{
	return file_count(file) == 1;
}

void rnfs4_helper_inode_dio_begin(struct inode *inode)
{
	inode_dio_begin(inode);
}

void rnfs4_helper_inode_dio_end(struct inode *inode)
{
	inode_dio_end(inode);
}

ssize_t rnfs4_helper_generic_write_sync(struct kiocb *iocb, ssize_t count)
{
	return generic_write_sync(iocb, count);
}

int rnfs4_helper_inode_lock_killable(struct inode *inode)
{
	return inode_lock_killable(inode);
}

int rnfs4_helper_inode_lock_shared_killable(struct inode *inode)
{
	return inode_lock_shared_killable(inode);
}

void rnfs4_helper_inode_unlock_shared(struct inode *inode)
{
	inode_unlock_shared(inode);
}

void rnfs4_helper_sb_start_pagefault(struct super_block *sb)
{
	sb_start_pagefault(sb);
}

void rnfs4_helper_sb_end_pagefault(struct super_block *sb)
{
	sb_end_pagefault(sb);
}

void rnfs4_helper_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

void rnfs4_helper_inode_spin_lock(struct inode *inode)
{
	spin_lock(&inode->i_lock);
}

void rnfs4_helper_inode_spin_unlock(struct inode *inode)
{
	spin_unlock(&inode->i_lock);
}

void rnfs4_helper_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

bool rnfs4_helper_inode_is_new(struct inode *inode)
{
	return inode_state_read_once(inode) & I_NEW;
}

int rnfs4_helper_inode_generic_drop(struct inode *inode)
{
	return inode_generic_drop(inode);
}

struct kmem_cache *rnfs4_helper_inode_cache_create(const char *name, unsigned int size, unsigned int align,
						   void (*ctor)(void *))
{
	struct kmem_cache_args args = { .align = align, .ctor = ctor };

	return kmem_cache_create(name, size, &args, SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT);
}

void *rnfs4_helper_alloc_inode_sb(struct super_block *sb, struct kmem_cache *cache, gfp_t gfp)
{
	return alloc_inode_sb(sb, cache, gfp);
}

dev_t rnfs4_helper_make_dev(unsigned int major, unsigned int minor)
{
	return MKDEV(major, minor);
}

void rnfs4_helper_sb_active_inc(struct super_block *sb)
{
	atomic_inc(&sb->s_active);
}

struct dentry *rnfs4_helper_dget(struct dentry *dentry)
{
	return dget(dentry);
}

bool rnfs4_helper_d_unhashed(const struct dentry *dentry)
{
	return d_unhashed(dentry);
}

unsigned int rnfs4_helper_d_count(const struct dentry *dentry)
{
	return d_count(dentry);
}

void rnfs4_helper_d_lookup_done(struct dentry *dentry)
{
	d_lookup_done(dentry);
}

/* Marks a dentry as silly-renamed and hangs @info on it, unless something hangs there already. */
bool rnfs4_helper_d_set_renamed(struct dentry *dentry, void *info)
{
	bool set = false;

	spin_lock(&dentry->d_lock);
	if (!dentry->d_fsdata) {
		dentry->d_fsdata = info;
		dentry->d_flags |= DCACHE_NFSFS_RENAMED;
		set = true;
	}
	spin_unlock(&dentry->d_lock);
	return set;
}

void *rnfs4_helper_d_take_renamed(struct dentry *dentry)
{
	void *info;

	spin_lock(&dentry->d_lock);
	info = dentry->d_fsdata;
	dentry->d_fsdata = NULL;
	dentry->d_flags &= ~DCACHE_NFSFS_RENAMED;
	spin_unlock(&dentry->d_lock);
	return info;
}

struct dentry *rnfs4_helper_lookup_sibling(struct dentry *dentry, const char *name, unsigned int len)
{
	return lookup_noperm(&QSTR_LEN(name, len), dentry->d_parent);
}

struct dentry *rnfs4_helper_d_alloc_parallel_again(struct dentry *dentry)
{
	return d_alloc_parallel(dentry->d_parent, &dentry->d_name);
}

/* The dentry of a name in @parent: the one that there is, or a new one to be looked up by the caller. */
struct dentry *rnfs4_helper_d_begin_child(struct dentry *parent, const char *name, unsigned int len)
{
	struct qstr qstr = QSTR_LEN(name, len);
	struct dentry *dentry;

	qstr.hash = full_name_hash(parent, name, len);
	dentry = d_lookup(parent, &qstr);
	return dentry ?: d_alloc_parallel(parent, &qstr);
}

bool rnfs4_helper_dir_emit(struct dir_context *ctx, const char *name, int len, u64 ino, unsigned int type)
{
	return dir_emit(ctx, name, len, ino, type);
}

struct mnt_idmap *rnfs4_helper_get_nop_mnt_idmap(void)
{
	return &nop_mnt_idmap;
}

void rnfs4_helper_mapping_set_error(struct address_space *mapping, int error)
{
	mapping_set_error(mapping, error);
}

void rnfs4_helper_mapping_set_folio_order_range(struct address_space *mapping, unsigned int min, unsigned int max)
{
	mapping_set_folio_order_range(mapping, min, max);
}

u64 rnfs4_helper_file_parent_ino(struct file *file)
{
	return d_parent_ino(file->f_path.dentry);
}

fl_owner_t rnfs4_helper_current_files(void)
{
	return current->files;
}

struct file_lock_context *rnfs4_helper_locks_inode_context(const struct inode *inode)
{
	return locks_inode_context(inode);
}

void rnfs4_helper_flctx_spin_lock(struct file_lock_context *ctx)
{
	spin_lock(&ctx->flc_lock);
}

void rnfs4_helper_flctx_spin_unlock(struct file_lock_context *ctx)
{
	spin_unlock(&ctx->flc_lock);
}

struct list_head *rnfs4_helper_flctx_posix(struct file_lock_context *ctx)
{
	return &ctx->flc_posix;
}

struct list_head *rnfs4_helper_flctx_flock(struct file_lock_context *ctx)
{
	return &ctx->flc_flock;
}
