// SPDX-License-Identifier: GPL-2.0

loff_t rnfs4_helper_folio_pos(const struct folio *folio)
{
	return folio_pos(folio);
}

size_t rnfs4_helper_folio_size(const struct folio *folio)
{
	return folio_size(folio);
}

void rnfs4_helper_folio_get(struct folio *folio)
{
	folio_get(folio);
}

void rnfs4_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

void rnfs4_helper_folio_ref_add(struct folio *folio, int nr)
{
	folio_ref_add(folio, nr);
}

void rnfs4_helper_folio_put_refs(struct folio *folio, int nr)
{
	folio_put_refs(folio, nr);
}

struct page *rnfs4_helper_folio_page(struct folio *folio, unsigned long n)
{
	return folio_page(folio, n);
}

struct folio *rnfs4_helper_page_folio(struct page *page)
{
	return page_folio(page);
}

int rnfs4_helper_folio_lock_killable(struct folio *folio)
{
	return folio_lock_killable(folio);
}

bool rnfs4_helper_folio_test_uptodate(const struct folio *folio)
{
	return folio_test_uptodate(folio);
}

void rnfs4_helper_folio_mark_uptodate(struct folio *folio)
{
	folio_mark_uptodate(folio);
}

bool rnfs4_helper_folio_test_dirty(const struct folio *folio)
{
	return folio_test_dirty(folio);
}

bool rnfs4_helper_folio_test_writeback(const struct folio *folio)
{
	return folio_test_writeback(folio);
}

bool rnfs4_helper_folio_test_private(const struct folio *folio)
{
	return folio_test_private(folio);
}

void rnfs4_helper_folio_start_writeback(struct folio *folio)
{
	folio_start_writeback(folio);
}

void rnfs4_helper_folio_zero_segment(struct folio *folio, size_t start, size_t end)
{
	folio_zero_segment(folio, start, end);
}

void *rnfs4_helper_folio_get_private(struct folio *folio)
{
	return folio_get_private(folio);
}

void rnfs4_helper_folio_attach_private(struct folio *folio, void *data)
{
	folio_attach_private(folio, data);
}

void *rnfs4_helper_folio_detach_private(struct folio *folio)
{
	return folio_detach_private(folio);
}

struct address_space *rnfs4_helper_folio_mapping_once(const struct folio *folio)
{
	return READ_ONCE(folio->mapping);
}

/* Data that the server has but did not make stable yet counts as being in writeback. */
void rnfs4_helper_folio_mod_writeback(struct folio *folio, struct super_block *sb, long nr)
{
	node_stat_mod_folio(folio, NR_WRITEBACK, nr);
	wb_stat_mod(&sb->s_bdi->wb, WB_WRITEBACK, nr);
}

void rnfs4_helper_mapping_private_lock(struct address_space *mapping)
{
	spin_lock(&mapping->i_private_lock);
}

void rnfs4_helper_mapping_private_unlock(struct address_space *mapping)
{
	spin_unlock(&mapping->i_private_lock);
}

/* A folio that is being read stays locked for as long as the server is silent: whoever wants to write to it is to be killable. */
struct folio *rnfs4_helper_filemap_lock_folio_killable(struct address_space *mapping, unsigned long index)
{
	struct folio *folio;

	while (!IS_ERR(folio = filemap_get_folio(mapping, index))) {
		if (folio_lock_killable(folio)) {
			folio_put(folio);
			return ERR_PTR(-EINTR);
		}
		if (folio->mapping == mapping && folio_contains(folio, index))
			break;
		folio_unlock(folio);
		folio_put(folio);
	}
	return folio;
}

struct folio *rnfs4_helper_write_begin_get_folio(const struct kiocb *iocb, struct address_space *mapping,
						 unsigned long index, size_t len)
{
	struct folio *folio = rnfs4_helper_filemap_lock_folio_killable(mapping, index);

	if (folio != ERR_PTR(-ENOENT))
		return folio;
	return write_begin_get_folio(iocb, mapping, index, len);
}

/* A new folio in the page cache, locked, as readahead makes them. */
struct folio *rnfs4_helper_filemap_new_folio(struct address_space *mapping, unsigned long index)
{
	gfp_t gfp = readahead_gfp_mask(mapping);
	struct folio *folio = filemap_alloc_folio(gfp, 0, NULL);
	int err;

	if (!folio)
		return ERR_PTR(-ENOMEM);
	filemap_invalidate_lock_shared(mapping);
	err = filemap_add_folio(mapping, folio, index, gfp);
	filemap_invalidate_unlock_shared(mapping);
	if (!err)
		return folio;
	folio_put(folio);
	return ERR_PTR(err);
}

/* The page, of which the first bytes hold what the file has there, becomes part of the page cache. */
int rnfs4_helper_filemap_adopt_page(struct address_space *mapping, struct page *page, unsigned long index, size_t bytes)
{
	struct folio *folio = page_folio(page);
	int err;

	if (bytes < folio_size(folio))
		folio_zero_segment(folio, bytes, folio_size(folio));
	err = filemap_add_folio(mapping, folio, index, mapping_gfp_constraint(mapping, GFP_KERNEL));
	if (err)
		return err;
	folio_mark_uptodate(folio);
	folio_unlock(folio);
	return 0;
}

bool rnfs4_helper_mapping_tagged_writeback(const struct address_space *mapping)
{
	return mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK);
}

unsigned int rnfs4_helper_filemap_get_folios_writeback(struct address_space *mapping, unsigned long *start,
						       unsigned long end, struct folio_batch *fbatch)
{
	return filemap_get_folios_tag(mapping, start, end, PAGECACHE_TAG_WRITEBACK, fbatch);
}

unsigned int rnfs4_helper_filemap_sample_wb_err(struct address_space *mapping)
{
	return filemap_sample_wb_err(mapping);
}

int rnfs4_helper_filemap_check_wb_err(struct address_space *mapping, unsigned int since)
{
	return filemap_check_wb_err(mapping, since);
}

struct folio *rnfs4_helper___readahead_folio(struct readahead_control *ractl)
{
	return __readahead_folio(ractl);
}

void rnfs4_helper_folio_batch_init(struct folio_batch *fbatch)
{
	folio_batch_init(fbatch);
}

void rnfs4_helper_folio_batch_release(struct folio_batch *fbatch)
{
	folio_batch_release(fbatch);
}

bool rnfs4_helper_current_is_reclaiming(void)
{
	return current->flags & PF_MEMALLOC;
}

bool rnfs4_helper_gfp_may_do_io(gfp_t gfp)
{
	return (current_gfp_context(gfp) & GFP_KERNEL) == GFP_KERNEL && !current_is_kswapd() &&
	       !current_is_kcompactd();
}

struct page *rnfs4_helper_alloc_page(gfp_t gfp)
{
	return alloc_page(gfp);
}

bool rnfs4_helper_iov_iter_is_user(const struct iov_iter *iter)
{
	return user_backed_iter(iter);
}

bool rnfs4_helper_iov_iter_is_bvec(const struct iov_iter *iter)
{
	return iov_iter_is_bvec(iter);
}

/* Where in its page the next byte of @iter lies, which is the user's or in pages. */
size_t rnfs4_helper_iov_iter_offset_in_page(const struct iov_iter *iter)
{
	size_t skip = iter->iov_offset;
	unsigned long n;

	if (iter_is_ubuf(iter))
		return offset_in_page(iter->ubuf + skip);
	for (n = 0; n < iter->nr_segs; n++, skip = 0) {
		if (iov_iter_is_bvec(iter) && skip < iter->bvec[n].bv_len)
			return offset_in_page(iter->bvec[n].bv_offset + skip);
		if (iter_is_iovec(iter) && skip < iter_iov(iter)[n].iov_len)
			return offset_in_page(iter_iov(iter)[n].iov_base + skip);
	}
	return 0;
}

void rnfs4_helper_task_io_account_read(size_t bytes)
{
	task_io_account_read(bytes);
}

void rnfs4_helper_task_io_account_write(size_t bytes)
{
	task_io_account_write(bytes);
}

bool rnfs4_helper_fault_may_wait(const struct vm_fault *vmf)
{
	return fault_flag_allow_retry_first(vmf->flags) && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT);
}

void rnfs4_helper_release_fault_lock(struct vm_fault *vmf)
{
	release_fault_lock(vmf);
}
