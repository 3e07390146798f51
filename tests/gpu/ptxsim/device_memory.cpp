#include "device_memory.h"

#include <cstring>
#include <new>

namespace ptxsim {

uint64_t DeviceMemory::allocate(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > capacity - used_) return 0;
    std::unique_ptr<uint8_t[]> data(new (std::nothrow) uint8_t[bytes]);
    if (!data) return 0;
    std::memset(data.get(), 0xff, bytes);
    const uint64_t address = next_;
    next_ += (bytes + gap + 511) / 512 * 512;
    used_ += bytes;
    allocations_[address] = {bytes, std::move(data)};
    return address;
}

bool DeviceMemory::free(uint64_t address) {
    const std::lock_guard lock(mutex_);
    const auto found = allocations_.find(address);
    if (found == allocations_.end()) return false;
    used_ -= found->second.first;
    allocations_.erase(found);
    return true;
}

uint8_t *DeviceMemory::find(uint64_t address, uint64_t bytes) const {
    const std::lock_guard lock(mutex_);
    auto after = allocations_.upper_bound(address);
    if (after == allocations_.begin()) return nullptr;
    const auto &[start, allocation] = *--after;
    if (address - start > allocation.first || bytes > allocation.first - (address - start)) return nullptr;
    return allocation.second.get() + (address - start);
}

std::vector<MemoryRange> DeviceMemory::ranges() const {
    const std::lock_guard lock(mutex_);
    std::vector<MemoryRange> all;
    for (const auto &[address, allocation] : allocations_) all.push_back({address, allocation.first, allocation.second.get()});
    return all;
}

}  // namespace ptxsim
