// Memory of the device: allocations at addresses that the host cannot read by mistake (no pointer of a process looks like them), with a gap
// after each, and none used twice. What nobody wrote is 0xff.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace ptxsim {

struct MemoryRange {
    uint64_t address = 0, bytes = 0;
    uint8_t *data = nullptr;
};

class DeviceMemory {
public:
    uint64_t allocate(uint64_t bytes);                      // 0: not that much memory
    bool free(uint64_t address);                            // false: nothing was allocated there
    uint8_t *find(uint64_t address, uint64_t bytes) const;  // null: not all inside one allocation
    std::vector<MemoryRange> ranges() const;                // by address
    static constexpr uint64_t capacity = 4ull << 30;
    static bool is_device_address(uint64_t address) { return address >= first_address && address < first_address << 1; }

private:
    static constexpr uint64_t first_address = 0x000d000000000000, gap = 4096;
    mutable std::mutex mutex_;
    std::map<uint64_t, std::pair<uint64_t, std::unique_ptr<uint8_t[]>>> allocations_;
    uint64_t next_ = first_address, used_ = 0;
};

}  // namespace ptxsim
